"""Start-up: seconds from the command to the first training step, and the compile time of a run's programs.

python scripts/benchmark.py start   --config=configs/demo.py
python scripts/benchmark.py compile --config=configs/demo.py
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

from camanet_jax.experiment import open_splits
from camanet_jax.lab.benchmarks import decode, train
from camanet_jax.lab.benchmarks.workload import Workload

POLL_SECONDS = 0.05
NOTES = (
    'From starting Python to the first line of metrics.jsonl, of a new run. The data set is prepared before.',
    'cold: the compile cache is empty. warm: it holds what the cold run compiled.',
)

COMPILE_NOTES = (
    'trace: Python to StableHLO, paid by every process. cold: XLA compiles. cached: XLA program read from a cache that '
    'the cold compilation has just written, as a second run of the same configuration does.',
)
CACHE_ALL = {
    'jax_enable_compilation_cache': True,
    'jax_persistent_cache_min_compile_time_secs': 0.0,
    'jax_persistent_cache_min_entry_size_bytes': -1,
}


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


def run_compilation(workload: Workload) -> dict[str, Any]:
    """Compiles every program twice; runs none of them."""
    with tempfile.TemporaryDirectory() as folder, cache_in(folder):
        rows = [row(name, trace) for name, trace in programs(workload).items()]
    total = {'program': 'all', **{name: sum(row[name] for row in rows) for name in rows[0] if name != 'program'}}
    return {
        'workload': workload.describe(workload.config.batch_size),
        'programs': [*rows, total],
        'notes': list(COMPILE_NOTES),
    }


def programs(workload: Workload) -> dict[str, Callable[[], jax.stages.Traced]]:
    """The programs of training and generating, each as a function that traces it."""
    config, state = workload.config, train.make_state(workload)
    variables = {'params': state.params, 'batch_stats': state.batch_stats}
    batch, films = workload.batch(config.batch_size), workload.batch(config.evaluation.batch_size)['images']
    encoding = jax.eval_shape(decode.encode_function(workload), variables, films)
    length = config.data.max_seq_length
    return {
        'train_step': lambda: train.step_function(workload).trace(state, batch, *train.step_arguments(workload)),
        'encode': lambda: decode.encode_function(workload).trace(variables, films),
        'search': lambda: decode.search_function(workload, length).trace(variables, encoding),
    }


def row(name: str, trace: Callable[[], jax.stages.Traced]) -> dict[str, Any]:
    """Traces and compiles a program cold, then once more with what the first time left in the cache."""
    first, cold = seconds_of(trace)
    again, cached = seconds_of(trace)
    return {'program': name, 'trace_seconds': min(first, again), 'cold_seconds': cold, 'cached_seconds': cached}


def seconds_of(trace: Callable[[], jax.stages.Traced]) -> tuple[float, float]:
    """Seconds of tracing and lowering, and of compiling, as in a new process."""
    jax.clear_caches()
    began = time.perf_counter()
    lowered = trace().lower()
    traced = time.perf_counter()
    lowered.compile()
    return traced - began, time.perf_counter() - traced


@contextlib.contextmanager
def cache_in(folder: str) -> Iterator[None]:
    """Keeps every compiled program in `folder`; afterwards JAX's settings are as before."""
    settings = CACHE_ALL | {'jax_compilation_cache_dir': folder}
    before = {name: getattr(jax.config, name) for name in settings}
    apply(settings)
    try:
        yield
    finally:
        apply(before)


def apply(settings: dict[str, Any]) -> None:
    """Changes JAX's settings; the cache that is open is given up for the one they name."""
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
