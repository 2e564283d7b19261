"""scripts/benchmark.py with a tiny model: every field is there and makes sense. No test depends on a time."""

import dataclasses
import importlib.util
import itertools
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from camanet_jax.lab.benchmarks import comparison, decode, printing, profile, startup, timing
from camanet_jax.lab.benchmarks.cost import Cost, Peaks
from camanet_jax.lab.benchmarks.timing import Timing, measure, split
from camanet_jax.lab.benchmarks.workload import read_workload

ROOT = Path(__file__).parents[3]
DEMO, TINY = ROOT / 'configs' / 'demo.py', ROOT / 'tests' / 'tiny.py'


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Programs compile without much optimisation, and the peaks of this machine are not measured."""
    before = jax.config.read('jax_disable_most_optimizations')
    jax.config.update('jax_disable_most_optimizations', True)
    for name in ('cost', 'decode'):
        monkeypatch.setattr(f'camanet_jax.lab.benchmarks.{name}.measure_peaks', lambda dtype: Peaks(1e11, 1e10))
    yield
    jax.config.update('jax_disable_most_optimizations', before)


@pytest.fixture
def benchmark(tmp_path):
    """Runs the script in this process and returns its numbers."""
    spec = importlib.util.spec_from_file_location('benchmark', ROOT / 'scripts' / 'benchmark.py')
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return lambda name, *args: script.main(
        [name, f'--config={DEMO}', '--small', '--steps=2', '--compile_cache=off', *args]
    )


def positive(*values) -> bool:
    return all(math.isfinite(value) and value > 0 for value in values)


def test_train_gives_speed_split_cost_and_memory(benchmark, tmp_path, capsys):
    path = tmp_path / 'numbers' / 'train.json'
    found = benchmark('train', '--accumulate=2', f'--json={path}')
    assert positive(*found['speed'].values(), *found['step'].values(), *found['achieved'].values())
    assert [row['part'] for row in found['split']] == [
        'backbone',
        'encoder',
        'memory',
        'decoder',
        'loss',
        'backward',
        'update',
    ]
    assert positive(*(row['through_seconds'] for row in found['split']))
    assert sum(row['share'] for row in found['split']) == pytest.approx(1)
    assert positive(found['memory']['peak_bytes'], found['memory']['program_bytes'])
    assert found['speed']['images_per_second'] == pytest.approx(2 * found['speed']['studies_per_second'])
    written = json.loads(path.read_text())
    assert written == json.loads(json.dumps(found))
    assert {'date', 'device', 'versions', 'config'} <= written['provenance'].keys()
    assert 'studies' in capsys.readouterr().out


def test_numbers_that_cannot_be_written_end_in_a_line(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr('camanet_jax.lab.benchmarks.decode.run', lambda *_: {})
    monkeypatch.setattr('camanet_jax.lab.benchmarks.printing.as_text', lambda _: '')
    (tmp_path / 'file').touch()
    with pytest.raises(SystemExit, match='Error: .*file.*choose a folder'):
        benchmark('decode', f'--json={tmp_path / "file" / "a.json"}')


def test_the_step_alone_is_one_compilation(benchmark):
    found = benchmark('train', '--step_only')
    assert positive(*found['speed'].values(), *found['step'].values(), *found['compilation'].values())
    assert positive(found['memory']['program_bytes']) and 'split' not in found


def test_a_profile_tells_operations_and_their_kinds(benchmark, capsys):
    found = benchmark('profile')
    assert positive(found['step']['span_seconds'], found['step']['operations'])
    assert {row['of'] for row in found['kinds']} <= {called for called, _ in profile.KINDS}
    assert all(positive(row['seconds'], row['count']) for row in found['operations'])
    assert 'kinds' in capsys.readouterr().out


def test_gaps_are_where_no_operation_runs():
    events = [profile.Event('dot.1', 0, 10), profile.Event('copy.2', 5, 30), profile.Event('dot.7', 50, 60)]
    assert profile.idle(events) == [20]
    found = profile.summary(events, steps=2)
    assert found['step']['span_seconds'] == pytest.approx(30e-9) and found['step']['operations'] == 1.5
    assert [(row['of'], row['count']) for row in found['operations']] == [('copy', 0.5), ('dot', 1.0)]
    assert [row['of'] for row in found['kinds']] == ['copy', 'product']


@pytest.mark.parametrize(
    ('name', 'kind'),
    [
        ('convert_fusion', 'fusion'),
        ('sm90_xmma_wgrad', 'convolution'),
        ('ncclAllReduce', 'collective'),
        ('add', 'other'),
    ],
)
def test_operations_are_sorted_by_their_names(name, kind):
    assert profile.kind(name) == kind


def test_a_comparison_without_pytorch_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch', None)
    with pytest.raises(ValueError, match=r"pip install -e '\.\[torch\]'"):
        comparison.torchvision_step(np.zeros((1, 1, 32, 32), np.uint8), 'densenet121', 'float32')


def test_a_comparison_needs_a_network_that_torchvision_has():
    assert comparison.network_of(read_workload(ROOT / 'configs' / 'resnet101.py')) == 'resnet101'
    workload = read_workload(DEMO, small=True)
    program, parameters = comparison.extractor_step(workload, workload.batch(2)['images'])
    gradients = program()
    assert parameters == sum(leaf.size for leaf in jax.tree.leaves(gradients))
    assert {'conv0', 'norm0'} <= set(gradients) and all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


@pytest.mark.parametrize('flags', [('--dtype=float32', '--int8'), ('--dtype=bfloat16',)])
def test_decode_times_every_length(benchmark, flags):
    found = benchmark('decode', '--lengths', '4', '8', '16', *flags)
    assert found['workload']['int8'] == ('--int8' in flags)
    assert [row['length'] for row in found['search']] == [4, 8, 16]
    assert positive(*(row['ratio_to_half'] for row in found['search'][1:]))
    assert positive(*found['speed'].values(), *found['encode'].values())
    assert [row['part'] for row in found['split']] == ['memory', 'decoder', 'vocabulary', 'search']
    assert positive(found['achieved']['search']['flops'], found['achieved']['encode']['bytes'])


def test_no_search_stops_early():
    workload = read_workload(DEMO, small=True)
    variables = decode.without_end(workload.variables())
    encoding = decode.encode_function(workload)(variables, workload.batch(2)['images'])
    reports = jax.device_get(decode.search_function(workload, 16)(variables, encoding))
    assert (reports.tokens != 0).all() and np.isfinite(reports.scores).all()


def test_input_tells_whether_a_device_starves(benchmark, tmp_path):
    found = benchmark('input', '--workers', '0', '1', f'--data_dir={tmp_path}', '--step_seconds=1e-9')
    assert [row['workers'] for row in found['workers']] == [0, 1]
    assert all(row['starves'] and positive(row['images_per_second']) for row in found['workers'])
    patient = benchmark('input', '--workers', '0', f'--data_dir={tmp_path}', '--step_seconds=1e9')
    assert not patient['workers'][0]['starves'] and patient['workers'][0]['device_share_busy'] == 1


def test_start_times_two_runs_to_their_first_step(tmp_path):
    workload = read_workload(TINY, data_dir=str(tmp_path))
    found = startup.run(workload, TINY, [f'--config.data_dir={tmp_path}'])
    assert [row['start'] for row in found['starts']] == ['cold', 'warm']
    assert positive(*(row['seconds'] for row in found['starts']))


def test_a_run_that_does_not_start_says_why(tmp_path):
    with pytest.raises(ValueError, match='(?s)exit code 1:.*batch_size'):
        startup.run(
            read_workload(TINY, data_dir=str(tmp_path)),
            TINY,
            [f'--config.data_dir={tmp_path}', '--config.batch_size=0'],
        )


def test_split_takes_differences():
    def through(seconds):
        return Timing(seconds, seconds, seconds, 2 * seconds)

    rows = split({'first': through(1.0), 'second': through(4.0)})
    assert [(row['seconds'], row['share'], row['processor_seconds']) for row in rows] == [(1, 0.25, 2), (3, 0.75, 6)]


def test_measure_calls_short_programs_often_and_in_turn(monkeypatch):
    clock, calls = [0.0], []

    def program(name, seconds):
        calls.append(name)
        clock[0] += seconds

    def now():
        return clock[0]

    monkeypatch.setattr(timing, 'time', SimpleNamespace(perf_counter=now, process_time=now))
    timings = measure({'short': lambda: program('short', 0.01), 'long': lambda: program('long', 2.0)}, 3)
    in_turn = [(name, len(list(run))) for name, run in itertools.groupby(calls)]
    assert in_turn == [('short', 2), ('long', 2), *[('short', 5), ('long', 1)] * 3]
    for name, seconds in (('short', 0.01), ('long', 2.0)):
        np.testing.assert_allclose(dataclasses.astuple(timings[name]), seconds)


def test_costs_of_loops_add_up():
    assert Cost(10, 1).and_also(Cost(2, 3), 4) == Cost(18, 13)


def test_numbers_are_shown_with_units():
    text = printing.as_text(
        {
            'speed': {'images_per_second': 1234.0, 'matrix_flops_per_second': 2e12},
            'rows': [{'part': 'a', 'seconds': 0.0015, 'share': 0.5}, {'part': 'b', 'peak_bytes': 3e9}],
        }
    )
    for expected in ('1.23 k/s', '2 TFLOP/s', '1.500 ms', '50.0 %', '3 GB'):
        assert expected in text


def test_a_missing_configuration_is_named(tmp_path):
    with pytest.raises(ValueError, match='one of the recipes ablation, .*got .*none.py'):
        read_workload(tmp_path / 'none.py')


def test_a_network_of_another_size_is_not_compared(benchmark, monkeypatch):
    facts = {'parameters': 6_953_856}
    monkeypatch.setattr(comparison, 'torchvision_step', lambda *given: (lambda: None, facts))
    with pytest.raises(SystemExit, match='6,953,856 parameters; the configuration has'):
        benchmark('train', '--compare=torchvision')
