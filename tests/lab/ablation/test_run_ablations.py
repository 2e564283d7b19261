"""The command as a user gives it: killed, given again, given twice; tables alone; comparison figures."""

import shutil
import signal
from pathlib import Path

import pytest
from front_door import TINY, records, run_main
from PIL import Image

SCRIPT = 'scripts/run_ablations.py'
# Runs the script with a signal to itself at the Nth call of a function.
SIGNALLED = (
    'import runpy, sys; sys.path.insert(0, "tests"); import signal_at; signal_at.main(*sys.argv[1:4]); '
    f'sys.argv[:4] = ["{SCRIPT}"]; runpy.run_path("{SCRIPT}", run_name="__main__")'
)

# Runs the script on a grid of which a run fails.
FAILING = (
    "import runpy, sys; from camanet_jax.lab.ablation import grid; grid.run_grid = lambda *_: ['camanet-seed0']; "
    f'sys.argv[0] = "{SCRIPT}"; runpy.run_path("{SCRIPT}", run_name="__main__")'
)


@pytest.fixture(scope='module')
def arguments(tiny_arguments):
    """Of a grid of one system, all but the output."""
    return [f'--config={TINY}', *tiny_arguments[1:], '--systems=camanet', '--seeds=1']


@pytest.fixture(scope='module')
def finished(tmp_path_factory, arguments, trained):
    """The output folder of a finished grid, whose run had been trained by the main command."""
    output = tmp_path_factory.mktemp('grid')
    shutil.copytree(trained, output / 'runs' / 'camanet-seed0')
    done = run_main(*arguments, f'--output={output}', program=(SCRIPT,))
    assert done.returncode == 0 and 'Training' not in done.stdout, done.stdout
    return output


def times(output: Path) -> dict[str, int]:
    """When each file of the runs was written."""
    return {str(path): path.stat().st_mtime_ns for path in (output / 'runs').rglob('*') if path.is_file()}


def test_the_same_command_given_twice_does_nothing_the_second_time(finished, arguments):
    before = times(finished)
    done = run_main(*arguments, f'--output={finished}', program=(SCRIPT,))
    assert done.returncode == 0 and 'camanet-seed0 (1 of 1) was finished' in done.stdout, done.stdout
    assert times(finished) == before


def test_a_finished_run_is_scored_and_measured(finished):
    workdir = finished / 'runs' / 'camanet-seed0'
    names = 'scores', 'alignment', 'selection', 'cost', 'labels'
    for name in ('predictions/test.jsonl', 'predictions/test_last.jsonl', *(f'{name}.json' for name in names)):
        assert (workdir / name).stat().st_size > 0, name
    assert '| tiny (synthetic) | +VDMAE+VTAC | here | 0.' in (finished / 'ablation.md').read_text()


@pytest.mark.slow
def test_a_killed_grid_goes_on_where_it_was(finished, arguments, tmp_path):
    command = *arguments, f'--output={tmp_path}'
    kill = 'SIGKILL', 'after:camanet_jax.run.checkpoint.Checkpoints.wait', '1'  # trained and saved, not scored
    done = run_main(*kill, *command, program=('-c', SIGNALLED))
    assert done.returncode == -signal.SIGKILL, done.stdout
    assert not (tmp_path / 'runs' / 'camanet-seed0' / 'scores.json').exists()
    done = run_main(*command, program=(SCRIPT,))
    assert done.returncode == 0 and 'Resuming after step 6' in done.stdout, done.stdout
    run, whole = (output / 'runs' / 'camanet-seed0' for output in (tmp_path, finished))
    assert records(run) == records(whole)
    assert (run / 'predictions' / 'test.jsonl').read_text() == (whole / 'predictions' / 'test.jsonl').read_text()


def test_tables_only_needs_no_configuration(finished):
    text = (finished / 'ablation.md').read_text()
    (finished / 'ablation.md').unlink()
    done = run_main(f'--output={finished}', '--tables_only', program=(SCRIPT,))
    assert done.returncode == 0 and (finished / 'ablation.md').read_text() == text, done.stdout


def test_a_failed_run_makes_the_exit_code_and_the_tables_are_written_all_the_same(finished, arguments):
    (finished / 'ablation.md').unlink()
    done = run_main(*arguments, f'--output={finished}', program=('-c', FAILING))
    assert done.returncode == 1 and 'failures/camanet-seed0.txt' in done.stdout, done.stdout
    assert (finished / 'ablation.md').exists()


@pytest.mark.slow
def test_comparison_draws_a_figure_a_study(finished, tmp_path):
    workdir = finished / 'runs' / 'camanet-seed0'
    done = run_main(f'--compare={workdir},{workdir}', '--studies=2', f'--output={tmp_path}', program=(SCRIPT,))
    pictures = sorted((tmp_path / 'compare').glob('*.png'))
    assert done.returncode == 0 and len(pictures) == 2, done.stdout
    assert Image.open(pictures[0]).width > 1000


@pytest.mark.parametrize(
    ('wrong', 'message'), [(['--systems=base,camant'], "got 'camant'"), (['--tables_only'], 'found no grid.json there')]
)
def test_mistakes_end_with_one_line(arguments, tmp_path, wrong, message):
    done = run_main(*arguments, *wrong, f'--output={tmp_path}', program=(SCRIPT,))
    assert done.returncode != 0 and 'Traceback' not in done.stdout, done.stdout
    assert message in done.stdout.rstrip().splitlines()[-1]
    assert not list(tmp_path.iterdir())
