"""What is kept, what is selected, and that a save that was killed is never read."""

import logging
import signal
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from front_door import ROOT, checkpoint_steps

from camanet_jax.configuration import recipe
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.experiment import Experiment
from camanet_jax.run.checkpoint import Checkpoints, DamagedCheckpoint, Selection, StopSignal, has_checkpoint
from camanet_jax.run.workdir import claim_workdir, open_trained
from camanet_jax.run.workers import Stopped
from camanet_jax.train_step import TrainState

SAVE_AND_DIE = """
import os, signal, sys
import jax.numpy as jnp
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.run.checkpoint import Checkpoints
checkpoints = Checkpoints(sys.argv[1])
checkpoints.save(1, {'weights': jnp.full(3, 1.0)}, {'place': 1})
checkpoints.wait()
checkpoints.save(2, {'weights': jnp.full(3, 2.0)}, {'place': 2})
os.kill(os.getpid(), signal.SIGKILL)
"""


def state(value: float) -> dict:
    """A state that tells its step."""
    return {'weights': jnp.full(3, value)}


def save(checkpoints: Checkpoints, step: int, score: float) -> None:
    """An epoch's end."""
    checkpoints.selection.update(score, step, step)
    checkpoints.save(step, state(step), {'place': step})
    checkpoints.wait()


def test_the_best_and_the_last_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    kept = []
    for step, score in enumerate([0.2, 0.5, 0.4, 0.5, 0.1], start=1):
        save(checkpoints, step, score)
        kept.append(checkpoint_steps(tmp_path))
    assert kept == [[1], [2], [2, 3], [2, 4], [2, 5]]  # the earlier of equals stays best
    assert (checkpoints.latest_step(), checkpoints.best_step()) == (5, 2)
    checkpoints.close()


def test_a_restored_selection_goes_on_where_it_was(tmp_path):
    first = Checkpoints(tmp_path)
    save(first, 1, 0.9)
    save(first, 2, 0.3)
    first.close()
    second = Checkpoints(tmp_path)
    second.selection.restore(second.read_run()['selection'])
    assert second.selection == Selection(0.9, 1, 1, 1)
    save(second, 3, 0.5)
    assert checkpoint_steps(tmp_path) == [1, 3]
    second.close()


def test_state_and_run_come_back_as_they_were(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    saved = {'weights': jnp.arange(6.0).reshape(2, 3), 'half': jnp.ones(2, jnp.bfloat16), 'step': jnp.int32(7)}
    checkpoints.save(7, saved, {'batches': {'next_batch': 7}, 'key': [1, 2**32 - 1], 'words': ['é', '<unk>']})
    checkpoints.wait()
    template = jax.eval_shape(lambda: saved)
    restored = checkpoints.restore_state(template)
    jax.tree.map(np.testing.assert_array_equal, restored, saved)
    assert restored['half'].dtype == jnp.bfloat16
    run = checkpoints.read_run(7)
    assert run['key'] == [1, 2**32 - 1] and run['words'] == ['é', '<unk>'] and run['selection']['best_step'] is None
    assert checkpoints.best_step() is None  # no epoch has been scored
    checkpoints.close()


def test_a_killed_save_is_ignored_and_replaced(tmp_path):
    done = subprocess.run(
        [sys.executable, '-c', SAVE_AND_DIE, str(tmp_path)],
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert any('tmp' in folder.name for folder in (tmp_path / 'checkpoints').iterdir())
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest_step() == 1
    np.testing.assert_array_equal(checkpoints.restore_state(jax.eval_shape(lambda: state(1.0)))['weights'], np.ones(3))
    save(checkpoints, 2, 0.5)
    assert checkpoints.latest_step() == 2
    checkpoints.close()


def test_opening_a_folder_without_a_run_is_refused_and_makes_nothing(tmp_path):
    missing = tmp_path / 'missing'
    assert not has_checkpoint(missing)
    with pytest.raises(ValueError, match='Expected a checkpoint in .*missing, found none'):
        open_trained(missing)
    assert not missing.exists()


@pytest.mark.parametrize('name', ['runs [old]', 'what?', 'a*b', 'caf\udce9'])
def test_a_workdir_whose_checkpoints_could_not_be_read_back_is_refused_before_anything_is_written(name, tmp_path):
    for open_workdir in (Checkpoints, lambda workdir: claim_workdir(workdir, experiment=None)):
        with pytest.raises(ValueError, match='without the characters|with a path in UTF-8'):
            open_workdir(tmp_path / name / 'run')
    assert not list(tmp_path.iterdir())


def test_a_run_belongs_to_its_data_and_to_the_settings_that_change_numbers(tmp_path, monkeypatch):
    run = Experiment(recipe('iu_xray'), Tokenizer(('<unk>',), 'iu_xray'))
    claim_workdir(tmp_path, run, 'films')
    claim_workdir(tmp_path, run, 'films')
    with pytest.raises(ValueError, match="data: 'films' in the workdir, 'negatives' now"):
        claim_workdir(tmp_path, run, 'negatives')
    monkeypatch.setenv('NVIDIA_TF32_OVERRIDE', '0')
    with pytest.raises(ValueError, match="tf32: None in the workdir, '0' now"):
        claim_workdir(tmp_path, run, 'films')


def test_a_full_disk_is_told_in_one_line(tmp_path, monkeypatch):
    def fail():
        raise ValueError('RESOURCE_EXHAUSTED: ... Failed to write 5 bytes to file 4: No space left on device')

    checkpoints = Checkpoints(tmp_path)
    monkeypatch.setattr(checkpoints._manager, 'wait_until_finished', fail)
    with pytest.raises(ValueError, match='could not be saved: No space left on device; make room'):
        checkpoints.wait()


def test_the_room_that_checkpoints_will_take_is_known_before_the_first(tmp_path):
    checkpoints, template = Checkpoints(tmp_path), jax.eval_shape(lambda: {'a': jnp.ones((2, 3)), 'b': jnp.int32(1)})
    assert checkpoints.missing_bytes(template) == 4 * (6 * 4 + 4)
    save(checkpoints, 1, 0.5)
    assert checkpoints.missing_bytes(template) == 3 * (6 * 4 + 4)
    checkpoints.close()


def test_a_checkpoint_that_may_not_be_opened_now_is_not_taken_for_damaged(tmp_path, monkeypatch):
    def fail(step, args):
        raise ValueError('UNKNOWN: Error opening "manifest.ocdbt": Too many open files')

    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1, 0.5)
    monkeypatch.setattr(checkpoints._manager, 'restore', fail)
    with pytest.raises(OSError, match='Too many open files'):
        checkpoints.first_whole(checkpoints.read_run)


def test_a_checkpoint_under_another_steps_name_is_told(tmp_path):
    checkpoints, saved = Checkpoints(tmp_path), TrainState(jnp.int32(1), {'weights': jnp.ones(3)}, {}, {})
    checkpoints.save(1, saved, {})
    checkpoints.close()
    (tmp_path / 'checkpoints/1').rename(tmp_path / 'checkpoints/9')
    with pytest.raises(DamagedCheckpoint, match='it is that of step 1: rename its folder'):
        Checkpoints(tmp_path).restore_state(jax.eval_shape(lambda: saved))


def test_a_signal_that_comes_while_a_line_is_logged_is_raised_all_the_same(monkeypatch):
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    handler = logging.StreamHandler()
    monkeypatch.setattr(handler, 'stream', SimpleNamespace(write=lambda _: signal.raise_signal(signal.SIGTERM)))
    logger = logging.Logger('lines')
    logger.addHandler(handler)
    try:
        stop = StopSignal()
        with pytest.raises(Stopped), stop.interrupting():
            logger.warning('a line')
        assert stop.name == 'SIGTERM'
    finally:
        for number, action in before.items():
            signal.signal(number, action)
