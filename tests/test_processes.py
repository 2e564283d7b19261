"""Two processes over loopback make the run of one: batches, losses, checkpoints and evaluation are shared out."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from front_door import checkpoint_steps, records, succeed


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


@pytest.mark.slow
def test_two_processes_make_the_run_of_one(trained, tiny_arguments, tmp_path):
    shared = {'JAX_COORDINATOR_ADDRESS': f'127.0.0.1:{free_port()}', 'JAX_NUM_PROCESSES': '2', 'JAX_PLATFORMS': 'cpu'}

    def launch(process: int) -> str:
        return succeed(f'--workdir={tmp_path / "run"}', *tiny_arguments, '--distributed', timeout=600,
                       environment=shared | {'JAX_PROCESS_ID': str(process)})

    with ThreadPoolExecutor() as pool:
        outputs = list(pool.map(launch, range(2)))
    assert all('2 process(es)' in output for output in outputs)
    assert checkpoint_steps(tmp_path / 'run') == checkpoint_steps(trained)
    for line, expected in zip(records(tmp_path / 'run'), records(trained), strict=True):
        assert (line['step'], line['split']) == (expected['step'], expected['split'])
        assert line['report_nll'] == pytest.approx(expected['report_nll'], rel=1e-3)  # Adam amplifies rounding
    assert (tmp_path / 'run' / 'predictions' / 'test.jsonl').exists()
