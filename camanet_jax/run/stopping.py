"""When to save within an epoch, and when to leave: the clock and SIGTERM, agreed on by all processes."""

import signal
import sys
import time
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

STEPS_BETWEEN_AGREEMENTS = 50  # with several processes, which must save at the same step


class StopSignal:
    """Notes SIGTERM; the loop saves and leaves at the next step that all processes agree on."""

    def __init__(self):
        self._received = False
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, *_: Any) -> None:
        self._received = True

    def exit_at_once(self) -> None:
        """From now on, with everything saved, the signal ends the process."""
        if self._received:
            sys.exit(0)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    def requested(self, step: int) -> bool:
        """Whether to stop after `step`."""
        return agreed(self._received, step)


class SaveClock:
    """When a checkpoint within an epoch is due."""

    def __init__(self, minutes: float):
        self._seconds = 60 * minutes
        self.restart()

    def restart(self) -> None:
        """Counts from now."""
        self._last = time.monotonic()

    def due(self, step: int) -> bool:
        """Whether to save after `step`."""
        return agreed(time.monotonic() - self._last >= self._seconds, step)


def agreed(wish: bool, step: int) -> bool:
    """What any process wishes, told to all; with several processes they confer only every so many steps."""
    if jax.process_count() == 1:
        return wish
    if step % STEPS_BETWEEN_AGREEMENTS:
        return False
    return bool(multihost_utils.process_allgather(np.array(wish)).any())
