"""Compile time of a run's programs, cold and with the persistent cache.

python scripts/benchmark.py compile --config=configs/demo.py
"""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

from camanet_jax.lab.benchmarks import decode, train
from camanet_jax.lab.benchmarks.workload import Workload

NOTES = (
    'trace: Python to StableHLO, paid by every process. cold: XLA compiles. cached: XLA program read from a cache that '
    'the cold compilation has just written, as a second run of the same configuration does.',
)
CACHE_ALL = {
    'jax_enable_compilation_cache': True,
    'jax_persistent_cache_min_compile_time_secs': 0.0,
    'jax_persistent_cache_min_entry_size_bytes': -1,
}


def run(workload: Workload) -> dict[str, Any]:
    """Compiles every program twice; runs none of them."""
    with tempfile.TemporaryDirectory() as folder, cache_in(folder):
        rows = [row(name, trace) for name, trace in programs(workload).items()]
    total = {'program': 'all', **{name: sum(row[name] for row in rows) for name in rows[0] if name != 'program'}}
    return {'workload': workload.describe(workload.config.batch_size), 'programs': [*rows, total], 'notes': list(NOTES)}


def programs(workload: Workload) -> dict[str, Callable[[], jax.stages.Traced]]:
    """What training and generating compile, each as a function that traces it."""
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
    """Of tracing and lowering, and of compiling, as in a new process."""
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
