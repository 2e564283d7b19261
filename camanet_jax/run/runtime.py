"""Settings to make before the first computation (determinism, compile cache, other processes), and readable errors."""

import contextlib
import ctypes
import importlib.util
import logging
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import jax
from absl import logging as absl_logging
from ml_collections import ConfigDict

from camanet_jax.configuration import UnknownField
from camanet_jax.run.files import os_error_in_words
from camanet_jax.run.progress import quiet
from camanet_jax.run.workers import Stopped, ThreadsLeft

CACHE_FOLDER = '.jax_cache'
ACCELERATORS = 'jax_plugins', 'libtpu'  # the modules that JAX finds GPUs and TPUs by
# glibc's malloc.h: one arena (M_ARENA_MAX) on the heap (M_MMAP_MAX), whose end is never given back (M_TRIM_THRESHOLD).
MALLOC = {-8: 1, -4: 0, -1: -1}
PACKAGE = Path(__file__).parents[1]


def prepare(config: ConfigDict, workdir: Path, *, distributed: bool = False) -> None:
    """Applies the configuration's machine settings; call before any array is made."""
    set_up_logging()
    if config.deterministic:
        os.environ['XLA_FLAGS'] = os.environ.get('XLA_FLAGS', '') + ' --xla_gpu_deterministic_ops=true'
    if config.compile_cache != 'off':
        folder = workdir.absolute().parent / CACHE_FOLDER if config.compile_cache == 'auto' else config.compile_cache
        jax.config.update('jax_compilation_cache_dir', str(folder))
    jax.config.update('jax_enable_x64', config.dtype == 'float64')  # whatever JAX_ENABLE_X64 says
    if not any(map(importlib.util.find_spec, ACCELERATORS)):
        keep_memory()
    if distributed:
        jax.distributed.initialize(**processes_from_environment(), local_device_ids=own_cards())
    find_devices()


def keep_memory() -> None:
    """Lets glibc keep freed memory: a step on the CPU otherwise gets its arrays from the system anew, page by page.

    To be called before JAX starts its threads, which would take memory elsewhere.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    for parameter, value in MALLOC.items() if mallopt else ():
        mallopt(parameter, value)


def find_devices() -> None:
    """Raises ValueError where JAX cannot use the devices that the environment asks for."""
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        asked = os.environ.get('JAX_PLATFORMS', '')
        raise ValueError(
            f'JAX finds no device (JAX_PLATFORMS={asked!r}: {str(error) or "unknown to this JAX"}). Install JAX for it '
            "(pip install -e '.[cuda12]', see README), or unset JAX_PLATFORMS to use what there is."
        ) from error


def processes_from_environment() -> dict[str, int]:
    """Reads JAX_NUM_PROCESSES and JAX_PROCESS_ID, for launchers that JAX does not detect, unlike SLURM and TPU pods."""
    arguments = ('num_processes', 'process_id')
    return {name: int(os.environ[f'JAX_{name.upper()}']) for name in arguments if f'JAX_{name.upper()}' in os.environ}


def own_cards() -> list[int] | None:
    """Under SLURM, the indices of this process's own cards among those it sees; None leaves the choice to JAX.

    JAX lets the n-th process of a host take the n-th card it sees. That is right where every process sees all cards,
    but not where SLURM shows each process its own (--gpus-per-task), nor where one process is to use the whole host.
    """
    visible, tasks = os.environ.get('CUDA_VISIBLE_DEVICES'), os.environ.get('SLURM_STEP_TASKS_PER_NODE')
    if not visible or not tasks or 'JAX_LOCAL_DEVICE_IDS' in os.environ:
        return None
    cards = len(visible.split(','))
    alone = re.fullmatch(r'1(\(x\d+\))?', tasks)  # SLURM writes 1(x4) for one task on each of four hosts
    return list(range(cards)) if alone or cards == 1 else None


def set_up_logging() -> None:
    """Logs this package's lines with the time, and only warnings of the libraries."""
    absl_logging.set_verbosity(absl_logging.WARNING)
    logging.getLogger('absl').addFilter(_is_no_checkpoints_trace)
    if 'CAMANET_TRACE' not in os.environ:  # else asyncio repeats what Orbax raises
        logging.getLogger('asyncio').setLevel(logging.CRITICAL)
    sys.unraisablehook = report_unraisable
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter('%(asctime)s %(message)s', '%H:%M:%S'))
    logger = logging.getLogger('camanet_jax')
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.WARNING if quiet() else logging.INFO)


def _is_no_checkpoints_trace(record: logging.LogRecord) -> bool:
    """False for errors that Orbax's threads log and that are raised as well."""
    return 'orbax' not in record.pathname or record.levelno < logging.ERROR or 'CAMANET_TRACE' in os.environ


def report_unraisable(unraisable: Any) -> None:
    """Leaves out what TensorStore's threads say after a failed checkpoint; repeats a Ctrl+C that came into a callback.

    Python prints such an interruption, and goes on.
    """
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    elif str(unraisable.exc_value) != 'Event loop is closed':
        sys.__unraisablehook__(unraisable)


@contextlib.contextmanager
def errors_for_people() -> Iterator[None]:
    """Ends the program with the message alone where this package refuses its input; other errors keep their traceback.

    With CAMANET_TRACE in the environment, all errors keep it.
    """
    try:
        yield
    except ThreadsLeft as error:
        print(f'Error: {error}', file=sys.stderr, flush=True)
        os._exit(1)  # an ordinary exit would wait for them
    except Stopped as stopped:
        leave(stopped.code)
    except KeyboardInterrupt:
        print('Stopped.', file=sys.stderr)
        leave(128 + signal.SIGINT)
    except BrokenPipeError:  # as of `score.py ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains when it flushes
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        if 'CAMANET_TRACE' in os.environ:
            raise
        sys.exit(f'Error: {os_error_in_words(error)}')
    except (ValueError, FloatingPointError) as error:
        if 'CAMANET_TRACE' in os.environ or PACKAGE not in Path(frames(error)[-1].filename).parents:
            raise
        sys.exit(f'Error: {error}')
    except (AttributeError, KeyError) as error:
        unknown = error.args[0] if isinstance(error, AttributeError) else error  # ml_collections wraps it
        if not isinstance(unknown, UnknownField):
            raise
        sys.exit(f'Error: {config_line(error)}{unknown.args[0]}')


def leave(code: int) -> NoReturn:
    """Ends the program after a signal, without Python's own end.

    A signal ends the waiting for XLA's compiler, not the compiler: in its thread it would crash as soon as Python's end
    has taken the client away. Several processes wait for each other at their ends, and no compilation is broken off.
    """
    if jax.distributed.is_initialized():
        sys.exit(code)
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def config_line(error: Exception) -> str:
    """The file and line of a configuration that name an unknown field; empty where the command line names it."""
    *_, caller = (frame for frame in frames(error) if Path(frame.filename).stem not in ('config_dict', 'configuration'))
    return '' if 'ml_collections' in caller.filename else f'{caller.filename}, line {caller.lineno}: '


def frames(error: Exception) -> traceback.StackSummary:
    """The frames that an error went through, the innermost last."""
    return traceback.extract_tb(error.__traceback__)
