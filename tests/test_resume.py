"""Killed or stopped at any moment, a run that is started again ends as if nothing had happened."""

import json
import re
import signal
from pathlib import Path

import pytest
from front_door import SIGNAL_AT, checkpoint_steps, records, run_main, succeed

from camanet_jax.run.checkpoint import Checkpoints

LOG_LINE = 'camanet_jax.run.metrics_log.MetricsLog.write'
# What a run is doing when it is killed: the Nth call of a function, and the steps after which it may have begun.
KILLS = [
    ('training the first epoch, saving after every step', LOG_LINE, 3, (0,)),
    ('validating', 'camanet_jax.evaluate.Evaluator.collect', 1, (1, 2)),
    ('saving the first epoch', 'after:camanet_jax.run.checkpoint.Checkpoints.save', 1, (1, 2)),
    ('saving the second epoch', 'after:camanet_jax.run.checkpoint.Checkpoints.save', 2, (1, 2)),
    ('training the second epoch', LOG_LINE, 2, (3,)),
    ('writing the last reports', 'camanet_jax.evaluate.write_predictions', 2, (3,)),
]


def signalled(name: str, function: str, number: int, *arguments: str):
    """The command, sent a signal at the Nth call of a function."""
    return run_main(*arguments, program=(str(SIGNAL_AT), name, function, str(number)))


def began_after(output: str) -> int:
    """The step after which a run went on, by its log."""
    found = re.search(r'Resuming after step (\d+)\n', output)
    return int(found[1]) if found else 0


def assert_ended_alike(workdir: Path, unbroken: Path) -> None:
    """The same record, reports and scores, bit for bit."""
    assert records(workdir) == records(unbroken)
    for name in ('predictions/val.jsonl', 'predictions/test.jsonl', 'vocabulary.json'):
        assert (workdir / name).read_text() == (unbroken / name).read_text(), name
    scores, expected = (json.loads((folder / 'scores.json').read_text()) for folder in (workdir, unbroken))
    assert scores['test'] == expected['test'] and scores['val'] == expected['val']
    assert checkpoint_steps(workdir) == checkpoint_steps(unbroken)


def test_killed_again_and_again_a_run_ends_as_the_unbroken_one(trained, tiny_arguments, tmp_path):
    command = f'--workdir={tmp_path / "run"}', *tiny_arguments
    for doing, function, number, starts in KILLS:
        minutes = 0 if 'every step' in doing else 10
        done = signalled('SIGKILL', function, number, *command, f'--config.checkpoint_every_minutes={minutes}')
        assert done.returncode == -signal.SIGKILL, f'while {doing}:\n{done.stdout}'
        assert began_after(done.stdout) in starts, f'while {doing}:\n{done.stdout}'
    output = succeed(f'--workdir={tmp_path / "run"}')  # the workdir holds the configuration
    assert began_after(output) == 6
    assert_ended_alike(tmp_path / 'run', trained)


def test_sigterm_saves_first_and_exits_cleanly(trained, tiny_arguments, tmp_path):
    command = f'--workdir={tmp_path / "run"}', *tiny_arguments
    done = signalled('SIGTERM', 'camanet_jax.evaluate.Evaluator.collect', 1, *command)  # validating
    assert done.returncode == 0 and 'Stopped by SIGTERM after step 3' in done.stdout, done.stdout
    done = signalled('SIGINT', LOG_LINE, 2, *command)  # step 4's line, written while step 5 runs
    assert done.returncode == 0 and 'Stopped by SIGINT after step 5' in done.stdout, done.stdout
    assert began_after(done.stdout) == 3 and 'Traceback' not in done.stdout
    assert checkpoint_steps(tmp_path / 'run') == [3, 5]
    done = signalled('SIGTERM', 'camanet_jax.evaluate.Evaluator.collect', 1, *command)  # validating for the last time
    assert done.returncode == 0 and 'Stopped by SIGTERM after step 6' in done.stdout, done.stdout
    done = signalled('SIGTERM', 'camanet_jax.evaluate.write_predictions', 2, *command)  # all is saved by then
    assert done.returncode == 0 and not (tmp_path / 'run' / 'scores.json').exists(), done.stdout
    assert began_after(done.stdout) == 6
    assert records(tmp_path / 'run') == records(trained)
    assert checkpoint_steps(tmp_path / 'run') == checkpoint_steps(trained)
    assert Checkpoints(tmp_path / 'run').best_step() == Checkpoints(trained).best_step()


def test_sigterm_while_the_search_is_compiled_exits_cleanly(trained, tiny_arguments, tmp_path):
    """XLA goes on compiling in a thread of its own; the tests' cache has the programs, so this run has another."""
    command, cache = (f'--workdir={tmp_path / "run"}', *tiny_arguments), f'--config.compile_cache={tmp_path / "cache"}'
    searching = 'compiling:camanet_jax.evaluate.evaluate_step'
    for after in (0, 3):
        done = signalled('SIGTERM', searching, 1, *command, cache)
        assert done.returncode == 0 and 'Stopped by SIGTERM after step 3' in done.stdout, done.stdout
        assert began_after(done.stdout) == after
    done = signalled('SIGINT', searching, 1, f'--workdir={tmp_path / "run"}', '--mode=evaluate', cache)
    assert done.returncode == 130 and done.stdout.endswith('Stopped.\n'), done.stdout
    succeed(*command)
    assert_ended_alike(tmp_path / 'run', trained)


@pytest.mark.slow
def test_killed_at_random_moments_every_program_goes_on_as_if_nothing_had_happened(tmp_path):
    arguments = '--kills=8', f'--folder={tmp_path}'
    output = succeed(*arguments, program=('tests/kills.py',), timeout=3600)
    assert len(re.findall(r': 2 kills, [1-9]\d* comparisons, 0 faults', output)) >= 4, output
