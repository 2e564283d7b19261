"""Eight devices make the run of one; the devices are one processor pretending, so each test has its own process."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from eight_devices import everything
from front_door import ROOT, records, run_main, succeed

import camanet_jax
from camanet_jax import sharding

EIGHT = {
    'JAX_PLATFORMS': 'cpu',
    'XLA_FLAGS': '--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0',
}


def test_a_run_on_eight_devices_has_the_losses_of_one(trained, tiny_arguments, tmp_path):
    output = succeed(
        f'--workdir={tmp_path / "run"}', *tiny_arguments, '--config.evaluation.figures=0', environment=EIGHT
    )
    assert 'Devices: 8 x' in output
    for line, expected in zip(records(tmp_path / 'run'), records(trained), strict=True):
        assert (line['step'], line['split']) == (expected['step'], expected['split'])
        found = {name: line[name] for name in ('loss', 'report_nll', 'pseudo_label_bce') if name in expected}
        assert found == pytest.approx({name: expected[name] for name in found}, rel=2e-3)
        # Rounding can change which class is present or which word is selected, and with it a study's maps.
        assert line['vtac_mse'] == pytest.approx(expected['vtac_mse'], rel=0.05)
    assert camanet_jax.load(tmp_path / 'run').step in (3, 6)  # saved on eight devices, opened on one


def test_eight_devices_write_and_explain_the_reports_of_one(trained):
    output = succeed(str(trained), program=(str(ROOT / 'tests' / 'eight_devices.py'),), environment=EIGHT)
    found, expected = json.loads(output.splitlines()[-1]), everything(str(trained))
    for name in ('evaluated', 'written', 'explained', 'drawn'):
        assert found[name] == expected[name], name
    assert found['losses'].pop('vtac_mse') == pytest.approx(expected['losses'].pop('vtac_mse'), rel=0.02)  # by rounding
    assert found['losses'] == pytest.approx(expected['losses'], rel=1e-5)
    for name in ('log_probs', 'word_log_probs', 'maps'):
        for one, other in zip(found[name], expected[name], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.slow
def test_a_step_on_eight_devices_is_the_step_of_one(compile_cache):
    command = [sys.executable, '-m', 'pytest', '-q', '-k', 'devices', 'tests/test_train_step.py']
    environment = os.environ | EIGHT | {'JAX_COMPILATION_CACHE_DIR': str(compile_cache)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_running_statistics_do_not_depend_on_the_number_of_devices():
    code = """
import jax, numpy as np
from camanet_jax import sharding
from camanet_jax.models.batch_norm import BatchNorm, moments

layer = BatchNorm()
films = np.random.default_rng(0).normal(size=(8, 1, 2, 2, 3)).astype(np.float32)
variables = layer.init(jax.random.key(0), films, train=False)

def statistics(films):
    return layer.apply(variables, films, moments(films), train=True, mutable=['batch_stats'])[1]['batch_stats']

one, eight = statistics(films), sharding.over_devices(statistics, sharding.make_mesh())(films)
assert jax.device_count() == 8
jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), one, eight)
"""
    done = subprocess.run(
        [sys.executable, '-c', code], env=os.environ | EIGHT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_process_has_its_rows_together():
    devices = [SimpleNamespace(process_index=process, id=id) for process, id in ((1, 2), (0, 1), (1, 0), (0, 3))]
    ordered = [(device.process_index, device.id) for device in sharding.in_process_order(devices)]
    assert ordered == [(0, 1), (0, 3), (1, 0), (1, 2)]


def test_a_batch_that_cannot_be_shared_is_refused(tiny_arguments, tmp_path):
    done = run_main(f'--workdir={tmp_path / "run"}', *tiny_arguments, '--config.batch_size=12', environment=EIGHT)
    assert done.returncode != 0
    assert 'Expected batch_size to be a multiple of 8 (8 devices, 1 accumulated parts), got 12' in done.stdout
    assert not (tmp_path / 'run').exists()


def test_an_unused_gpu_is_pointed_out(monkeypatch, caplog):
    monkeypatch.setattr(sharding, 'gpu_present', lambda: True)
    monkeypatch.setattr(sharding.jax, 'default_backend', lambda: 'cpu')
    monkeypatch.setattr(sharding.jax, 'devices', lambda: [SimpleNamespace(device_kind='cpu')])
    monkeypatch.setattr(sharding.LOG.parent, 'propagate', True)
    sharding.log_devices()
    assert 'This machine has an NVIDIA GPU, but JAX sees none' in caplog.text
