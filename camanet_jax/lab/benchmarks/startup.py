"""Start-up: seconds from the command to the first training step.

python scripts/benchmark.py start --config=configs/demo.py
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from camanet_jax.experiment import open_splits
from camanet_jax.lab.benchmarks.workload import Workload

POLL_SECONDS = 0.05
NOTES = (
    'From starting Python to the first line of metrics.jsonl, of a new run. The data set is prepared before.',
    'cold: the compile cache is empty. warm: it holds what the cold run compiled.',
)


def run(workload: Workload, config_file: Path, flags: Sequence[str]) -> dict[str, Any]:
    """Starts a training run twice and stops it after its first step.

    Args:
      workload: the configuration with `flags` applied: its data set is prepared, and it is described.
      config_file, flags: what the command line of the run is given.
    """
    open_splits(workload.config)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, '-m', 'camanet_jax.main', f'--config={config_file}', *flags]
        command.append(f'--config.compile_cache={folder}/cache')
        seconds = {name: seconds_to_first_step(command, Path(folder) / name) for name in ('cold', 'warm')}
    rows = [{'start': name, 'seconds': value} for name, value in seconds.items()]
    described = workload.describe(workload.config.batch_size)
    del described['vocabulary_size']  # the run reads its own
    return {'workload': described, 'starts': rows, 'notes': list(NOTES)}


def seconds_to_first_step(command: Sequence[str], workdir: Path) -> float:
    """Seconds until a run has made its first step; it is killed then.

    Raises:
      ValueError: the run ended before; its output is in the message.
    """
    metrics, began = workdir / 'metrics.jsonl', time.perf_counter()
    with tempfile.TemporaryFile('w+', encoding='utf-8') as output:
        run = subprocess.Popen([*command, f'--workdir={workdir}'], stdout=output, stderr=output)
        while run.poll() is None and not (metrics.exists() and metrics.stat().st_size):
            time.sleep(POLL_SECONDS)
        seconds, ended = time.perf_counter() - began, run.poll()
        run.kill()
        run.wait()
        if ended is not None:
            output.seek(0)
            raise ValueError(f'Expected a run that trains, got exit code {ended}:\n{output.read()}')
    return seconds
