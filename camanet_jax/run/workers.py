"""Helper processes and the cores for them; they live as long as their parent and leave signals to it.

Light to import, since every helper process imports it.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

_SECONDS_BETWEEN_LOOKS = 5.0
SECONDS_UNTIL_SAID = 60.0  # that nothing comes from a helper
_OF_THE_PARENT = signal.SIGINT, signal.SIGTERM  # also where they reach the whole process group
STALLED = 'No %s for %.0f s: the file system may be stalled. Waiting; SIGTERM ends the run.'


class ThreadsLeft(ValueError):
    """An error that leaves threads which never end, or complain when they do: the program must end at once."""


class WorkerDied(ThreadsLeft):
    """A helper process was killed, or no longer answers; threads that wait for it never end."""


class Stopped(BaseException):
    """Raised by a signal in work that a later run does again; no `except Exception` takes it, as logging has.

    The program ends with `code`.
    """

    def __init__(self, code: int = 0):
        self.code = code


def usable_cores() -> int:
    """Counts the cores that the scheduler grants this process; all of the machine's where it cannot tell (macOS)."""
    affinity = getattr(os, 'sched_getaffinity', None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@contextlib.contextmanager
def out_of_reach() -> Iterator[None]:
    """Starts helper processes that Ctrl+C and SIGTERM do not end while they still import; `begin` does the rest.

    They inherit the mask of the thread that starts them; the parent's other threads go on receiving these signals.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_THE_PARENT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin(index: int, count: int) -> None:
    """Prepares a helper process: Ctrl+C and SIGTERM to the whole group are for its parent, with whom it ends."""
    del index, count
    for number in _OF_THE_PARENT:
        signal.signal(number, signal.SIG_IGN)
    end_with_parent()


def end_with_parent() -> None:
    """Ends this process soon after its parent, however that ends; otherwise it would wait for tasks forever."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
