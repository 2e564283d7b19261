"""Each file of a finished workdir cut, emptied, flipped or removed: a named error, or the numbers of before."""

import logging
import shutil

import jax.numpy as jnp
import pytest
from damages import DAMAGE, damage
from front_door import checkpoint_steps

from camanet_jax import sharding
from camanet_jax.reporting import run_report
from camanet_jax.run.checkpoint import Checkpoints, DamagedCheckpoint, checksum
from camanet_jax.run.files import read_json, write_json_lines
from camanet_jax.run.metrics_log import MetricsLog
from camanet_jax.run.runtime import errors_for_people
from camanet_jax.run.workdir import claim_workdir, get_config, open_trained
from camanet_jax.scoring import text_rules

logging.getLogger('asyncio').setLevel(logging.CRITICAL)  # it repeats at length what is raised, as in any command


def slow(name):
    """A parameter of a slow test."""
    return pytest.param(name, marks=pytest.mark.slow)


def refused(action) -> bool:
    """Tells that an action ends in a named error; any other error fails the test."""
    try:
        with errors_for_people():
            action()
    except SystemExit as end:
        assert str(end.code).startswith('Error: ')
        return True
    return False


@pytest.fixture(scope='module')
def run(trained):
    """The finished run, opened."""
    return open_trained(trained)


def damaged_copies(trained, folder, how, chosen):
    """Yields the name of each chosen file with a copy of the workdir in which it is damaged."""
    for path in sorted(path for path in trained.rglob('*') if path.is_file()):
        if chosen(name := path.relative_to(trained)):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(trained, folder, ignore=shutil.ignore_patterns('figures', 'predictions', 'tensorboard'))
            damage(folder / name, how)
            yield name, folder


@pytest.mark.parametrize('how', [name if name in ('cut', 'flipped') else slow(name) for name in DAMAGE])
def test_a_damaged_checkpoint_is_named_or_gives_the_state_that_was_saved(trained, run, tmp_path, how):
    template = sharding.on_devices(run.experiment.state_shapes(), sharding.make_mesh())
    expected = Checkpoints(trained).restore_state(template)
    named = []
    for name, workdir in damaged_copies(trained, tmp_path / 'run', how, lambda name: name.parts[0] == 'checkpoints'):

        def restore(workdir=workdir, name=name):
            checkpoints = Checkpoints(workdir)
            words = checkpoints.read_run(6)['vocabulary']
            assert checksum(checkpoints.restore_state(template, 6)) == checksum(expected), name
            assert words == run.experiment.tokenizer.to_json()

        if refused(restore):
            named.append(name.name)
    assert {'metadata', 'process_0', 'manifest.ocdbt'} <= set(named)


@pytest.mark.parametrize('how', DAMAGE)
def test_damaged_records_of_a_run_are_named_or_written_anew(trained, run, tmp_path, how):
    origin = read_json(trained / 'origin.json')
    for name, workdir in damaged_copies(trained, tmp_path / 'run', how, lambda name: len(name.parts) == 1):

        def resume(workdir=workdir):
            claim_workdir(workdir, run.experiment, origin['data'])
            MetricsLog(workdir, 6).close()

        def evaluate(workdir=workdir):
            assert open_trained(workdir, get_config(workdir)).experiment.config == run.experiment.config

        def show(workdir=workdir):
            run_report.page(workdir, [], 0)

        def score(workdir=workdir):
            text_rules._rules_of_run(workdir)

        matters = {'config.json': (evaluate, resume, score), 'vocabulary.json': (resume, score)}
        matters |= {'origin.json': (resume,), 'scores.json': (show,), 'metrics.jsonl': (resume, show)}
        outcomes = [refused(action) for action in matters.get(name.name, ())]
        if how == 'flipped' and name.name in ('config.json', 'origin.json'):
            assert outcomes[0], name


@pytest.mark.parametrize('content', ['[]', '5', 'null'])
def test_records_of_another_kind_are_named(trained, run, tmp_path, content):
    workdir = tmp_path / 'run'
    shutil.copytree(trained, workdir)
    (workdir / 'origin.json').write_text(content)
    with pytest.raises(ValueError, match='origin.json: expected a JSON object'):
        claim_workdir(workdir, run.experiment)
    (workdir / 'config.json').write_text(content)
    for action in (lambda: claim_workdir(workdir, run.experiment), lambda: open_trained(workdir)):
        with pytest.raises(ValueError, match='config.json: expected a JSON object'):
            action()
    with pytest.raises(ValueError, match='config.json: expected a JSON object'):
        get_config(workdir)


def test_training_goes_on_from_the_checkpoint_before_a_damaged_one(tmp_path, caplog):
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.selection.update(1 / step, step, step)
        checkpoints.save(step, {'weights': jnp.full(3, float(step))}, {'place': step})
    checkpoints.wait()
    damage(tmp_path / 'checkpoints/2/run/metadata', 'flipped')
    assert checkpoints.first_whole(lambda step: checkpoints.read_run(step)['place']) == 1
    assert 'checkpoints/2: expected a whole checkpoint' in caplog.text
    checkpoints.set_aside_after(1)
    assert checkpoint_steps(tmp_path) == [1] and (tmp_path / 'checkpoints/damaged.2').is_dir()
    checkpoints.save(2, {'weights': jnp.full(3, 2.0)}, {'place': 2})
    checkpoints.wait()
    assert checkpoints.read_run()['place'] == 2
    damage(tmp_path / 'checkpoints/1/run/metadata', 'cut')
    damage(tmp_path / 'checkpoints/2/run/metadata', 'emptied')
    assert checkpoints.first_whole(lambda step: step, first=1) == 1 and 'missing' not in caplog.text
    assert checkpoints.first_whole(lambda step: step, first=7) == 2 and 'checkpoints/7 is missing' in caplog.text
    with pytest.raises(DamagedCheckpoint, match='checkpoints/1: expected a whole'):
        checkpoints.first_whole(checkpoints.read_run)
    checkpoints.close()


def test_what_a_damaged_record_lacks_is_said(tmp_path, caplog):
    lines = [{'step': step, 'epoch': 1, 'split': 'train', 'loss': 1.0} for step in (1, 3)]
    write_json_lines(tmp_path / 'metrics.jsonl', lines)
    MetricsLog(tmp_path, 3).close()
    assert 'lacks 1 of 3 steps' in caplog.text
