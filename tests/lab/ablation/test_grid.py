"""Which runs of a grid are done, redone, left: with training replaced by the writing of its last file."""

import json
import signal

import pytest

from camanet_jax.configuration import as_data, recipe
from camanet_jax.lab.ablation import grid
from camanet_jax.run.provenance import code_version
from camanet_jax.run.workers import Stopped


@pytest.fixture(autouse=True)
def keep_signals():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def trained_runs(monkeypatch):
    """The names of the runs that were trained; those in `failing` fail, those in `stopped` are told to stop."""
    done, behaviour = [], {'failing': (), 'stopped': ()}

    def train(config, workdir):
        done.append(workdir.name)
        if workdir.name in behaviour['failing']:
            raise ValueError('the loss is not finite')
        workdir.mkdir(parents=True, exist_ok=True)
        (workdir / 'config.json').write_text(json.dumps(as_data(config)))
        if workdir.name in behaviour['stopped']:
            raise Stopped
        (workdir / 'scores.json').write_text('{}')

    monkeypatch.setattr(grid, 'train', train)
    monkeypatch.setattr(grid, 'measure_run', lambda workdir, config, with_cost: False)
    return done, behaviour


def run(output, systems=('base', 'camanet'), seeds=2, config=None):
    return grid.run_grid(config or recipe('ablation'), grid.list_runs(output, systems, seeds), output / 'failures')


def test_seeds_are_outermost(tmp_path):
    assert [found.name for found in grid.list_runs(tmp_path, ['base', 'camanet'], 2)] == [
        'base-seed0',
        'camanet-seed0',
        'base-seed1',
        'camanet-seed1',
    ]


def test_a_finished_grid_has_nothing_to_do(tmp_path, trained_runs):
    done, _ = trained_runs
    assert run(tmp_path) == [] and len(done) == 4
    assert run(tmp_path) == [] and len(done) == 4
    assert run(tmp_path, seeds=3) == [] and done[4:] == ['base-seed2', 'camanet-seed2']


def test_one_failure_is_reported_and_the_rest_go_on(tmp_path, trained_runs):
    done, behaviour = trained_runs
    behaviour['failing'] = ('camanet-seed0',)
    assert run(tmp_path) == ['camanet-seed0'] and len(done) == 4
    assert 'the loss is not finite' in (tmp_path / 'failures' / 'camanet-seed0.txt').read_text()
    behaviour['failing'] = ()
    assert run(tmp_path) == [] and done[4:] == ['camanet-seed0']
    assert not list((tmp_path / 'failures').iterdir())


def test_sigterm_stops_the_grid_after_its_run_has_saved(tmp_path, trained_runs):
    done, behaviour = trained_runs
    behaviour['stopped'] = ('camanet-seed0',)
    with pytest.raises(Stopped) as stopped:
        run(tmp_path)
    assert stopped.value.code == 143 and done == ['base-seed0', 'camanet-seed0']


def test_runs_of_another_configuration_are_not_taken_for_finished(tmp_path, trained_runs):
    run(tmp_path, seeds=1)
    changed = recipe('ablation')
    changed.epochs = 99
    assert run(tmp_path, seeds=1, config=changed) == ['base-seed0', 'camanet-seed0']
    assert 'epochs: 6 in the workdir, 99 now' in (tmp_path / 'failures' / 'base-seed0.txt').read_text()


def test_runs_carry_their_code_and_other_code_is_refused(tmp_path, trained_runs, monkeypatch):
    run(tmp_path, seeds=1)
    recorded = json.loads((tmp_path / 'runs' / 'base-seed0' / 'code.json').read_text())
    assert recorded == code_version() and len(recorded['sources']) == 12
    grid.check_code(tmp_path)
    monkeypatch.setattr(grid, 'code_version', lambda: recorded | {'commit': 'of a page of the documentation'})
    grid.check_code(tmp_path)
    monkeypatch.setattr(grid, 'code_version', lambda: recorded | {'sources': 'f' * 12})
    with pytest.raises(ValueError, match=f'sources ffff.*base-seed0 .*sources {recorded["sources"]}.*another --output'):
        grid.check_code(tmp_path)


def test_a_run_that_does_not_tell_its_code_is_refused(tmp_path, trained_runs):
    run(tmp_path, seeds=1)
    (tmp_path / 'runs' / 'camanet-seed0' / 'code.json').unlink()
    with pytest.raises(ValueError, match='camanet-seed0 by another: code not recorded'):
        grid.check_code(tmp_path)


def test_a_grid_that_grows_keeps_what_it_had(tmp_path):
    grid.record_grid(tmp_path, config='configs/ablation.py', systems=['base', 'camanet'], seeds=3)
    grid.record_grid(tmp_path, config='configs/ablation.py', systems=['camanet', 'camanet_k0.15'], seeds=1)
    assert grid.read_grid(tmp_path) == {
        'config': 'configs/ablation.py',
        'systems': ['base', 'camanet', 'camanet_k0.15'],
        'seeds': 3,
    }
