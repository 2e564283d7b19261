"""Two processes over loopback make the run of one: batches, losses, checkpoints and evaluation are shared out."""

import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from front_door import checkpoint_steps, records, succeed

ALONE = str(Path(__file__).with_name('explain_alone.py'))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


def named(process: int, port: int) -> dict[str, str]:
    """What somebody sets who starts processes by hand."""
    return {'JAX_COORDINATOR_ADDRESS': f'127.0.0.1:{port}', 'JAX_NUM_PROCESSES': '2', 'JAX_PROCESS_ID': str(process)}


def under_slurm(process: int, port: int) -> dict[str, str]:
    """What SLURM sets for two tasks on a host; JAX makes the port from the job's number."""
    return {
        'SLURM_JOB_ID': str(port),
        'SLURM_STEP_NODELIST': 'localhost',
        'SLURM_STEP_NUM_NODES': '1',
        'SLURM_STEP_TASKS_PER_NODE': '2',
        'SLURM_NTASKS': '2',
        'SLURM_PROCID': str(process),
        'SLURM_LOCALID': str(process),
    }


def test_process_0_explains_alone(trained, tmp_path):
    workdir, port = shutil.copytree(trained, tmp_path / 'run'), free_port()
    (workdir / 'report.html').unlink()

    def launch(process: int) -> str:
        return succeed(
            str(workdir), program=(ALONE,), timeout=600, environment=named(process, port) | {'JAX_PLATFORMS': 'cpu'}
        )

    with ThreadPoolExecutor() as pool:
        assert ['alone' in output for output in pool.map(launch, range(2))] == [True, True]
    assert (workdir / 'report.html').exists()


@pytest.mark.slow
@pytest.mark.parametrize('launcher', [named, under_slurm])
def test_two_processes_make_the_run_of_one(trained, tiny_arguments, tmp_path, launcher):
    port = free_port()

    def launch(process: int) -> str:
        return succeed(
            f'--workdir={tmp_path / "run"}',
            *tiny_arguments,
            '--distributed',
            timeout=600,
            environment=launcher(process, port) | {'JAX_PLATFORMS': 'cpu'},
        )

    with ThreadPoolExecutor() as pool:
        outputs = list(pool.map(launch, range(2)))
    assert all('2 process(es)' in output for output in outputs)
    assert checkpoint_steps(tmp_path / 'run') == checkpoint_steps(trained)
    for line, expected in zip(records(tmp_path / 'run'), records(trained), strict=True):
        assert (line['step'], line['split']) == (expected['step'], expected['split'])
        assert line['report_nll'] == pytest.approx(expected['report_nll'], rel=1e-3)  # Adam amplifies rounding
    assert (tmp_path / 'run' / 'predictions' / 'test.jsonl').exists()
