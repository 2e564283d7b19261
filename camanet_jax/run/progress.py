"""Progress bars on a terminal, plain log lines elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from absl import flags
from tqdm import tqdm

LOG = logging.getLogger(__name__)

Item = TypeVar('Item')
SECONDS_BETWEEN_LINES = 30.0


def quiet() -> bool:
    """Tells whether the command was given --quiet."""
    return flags.FLAGS.is_parsed() and 'quiet' in flags.FLAGS and flags.FLAGS.quiet


class Progress:
    """Counts `total` steps: a bar with speed and time left or, without a terminal, a line every half minute."""

    def __init__(self, description: str, total: int, done: int = 0):
        self.description, self.total, self.done = description, total, done
        terminal = sys.stderr.isatty()
        self._lines = not quiet() and not terminal
        self._bar = tqdm(
            desc=description, total=total, initial=done, disable=quiet() or not terminal, dynamic_ncols=True
        )
        self._start, self._start_done, self._last_line = time.monotonic(), done, time.monotonic()

    def advance(self, note: str = '') -> None:
        """Counts one step; `note` is shown beside the bar, e.g. 'loss 2.31'."""
        self.done += 1
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update()
        now = time.monotonic()
        if self._lines and (now - self._last_line > SECONDS_BETWEEN_LINES or self.done == self.total):
            self._last_line = now
            self._log_line(note, now)

    def close(self) -> None:
        """Removes the bar."""
        self._bar.close()

    def __enter__(self) -> 'Progress':
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _log_line(self, note: str, now: float) -> None:
        speed = (self.done - self._start_done) / max(now - self._start, 1e-9)
        left = (self.total - self.done) / max(speed, 1e-9)
        note = f', {note}' if note else ''
        LOG.info('%s %d/%d, %.2f/s, %.0f s left%s', self.description, self.done, self.total, speed, left, note)


def tracked(items: Iterable[Item], description: str, total: int) -> Iterator[Item]:
    """Yields the items and shows the progress."""
    with Progress(description, total) as progress:
        for item in items:
            yield item
            progress.advance()
