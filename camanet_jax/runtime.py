"""What must be set before the first computation: determinism, compile cache, other processes, readable errors."""

import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import jax
from absl import logging as absl_logging
from ml_collections import ConfigDict

from camanet_jax.configuration import unknown_field
from camanet_jax.progress import quiet

CACHE_FOLDER = '.jax_cache'
PACKAGE = Path(__file__).parent


def prepare(config: ConfigDict, workdir: Path, *, distributed: bool = False) -> None:
    """Applies the configuration's machine settings; call before any array is made."""
    set_up_logging()
    if config.deterministic:
        os.environ['XLA_FLAGS'] = os.environ.get('XLA_FLAGS', '') + ' --xla_gpu_deterministic_ops=true'
    if config.compile_cache != 'off':
        folder = workdir.absolute().parent / CACHE_FOLDER if config.compile_cache == 'auto' else config.compile_cache
        jax.config.update('jax_compilation_cache_dir', str(folder))
        jax.config.update('jax_persistent_cache_min_compile_time_secs', 1.0)
    if config.dtype == 'float64':
        jax.config.update('jax_enable_x64', True)
    if distributed:
        jax.distributed.initialize(**processes_from_environment())


def processes_from_environment() -> dict[str, int]:
    """JAX_NUM_PROCESSES and JAX_PROCESS_ID, for launchers that JAX does not detect (SLURM and TPU pods it does)."""
    names = {'num_processes': 'JAX_NUM_PROCESSES', 'process_id': 'JAX_PROCESS_ID'}
    return {argument: int(os.environ[name]) for argument, name in names.items() if name in os.environ}


def set_up_logging() -> None:
    """This package's lines with the time; of the libraries, warnings only."""
    absl_logging.set_verbosity(absl_logging.WARNING)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter('%(asctime)s %(message)s', '%H:%M:%S'))
    logger = logging.getLogger('camanet_jax')
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.WARNING if quiet() else logging.INFO)


@contextlib.contextmanager
def errors_for_people() -> Iterator[None]:
    """Ends with the message alone where this package refused its input; other errors keep their trace."""
    try:
        yield
    except (ValueError, AttributeError, KeyError, RuntimeError) as error:
        message = unknown_field(error)
        if message is None and not raised_here(traceback.extract_tb(error.__traceback__)):
            raise
        sys.exit(f'Error: {message or error}')


def raised_here(frames: traceback.StackSummary) -> bool:
    """Whether the innermost frame is this package's own `raise`."""
    last = frames[-1]
    return PACKAGE in Path(last.filename).parents and (last.line or '').startswith('raise')
