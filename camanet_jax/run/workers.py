"""Helper processes: they live as long as their parent, leave signals to it, and are missed when they die.

Light to import, since every helper process imports it.
"""

import os
import signal
import threading
import time

_SECONDS_BETWEEN_LOOKS = 5.0


class WorkerDied(ValueError):
    """A helper process was killed, or no longer answers; threads that wait for it never end."""


def begin(index: int, count: int) -> None:
    """Prepares a helper process: Ctrl+C and SIGTERM to the whole group are for its parent, with whom it ends."""
    del index, count
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)
