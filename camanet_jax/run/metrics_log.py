"""The record of a run: one JSON object per line in metrics.jsonl, and the same curves for TensorBoard."""

import json
import math
import os
from pathlib import Path

from tensorboardX import SummaryWriter


class MetricsLog:
    """Appends to `workdir`/metrics.jsonl; each step of a split stands there once, also after a resumed run.

    A line reads {"step", "epoch", "split", name: value, ...}; wall-clock values are named `time/...`.
    """

    def __init__(self, workdir: Path, resume_after: int, *, active: bool = True):
        """Drops lines beyond step `resume_after`; a process that is not `active` writes nothing."""
        self._active = active
        if not active:
            return
        self._path = workdir / 'metrics.jsonl'
        if self._path.exists():
            kept = [line for line in complete_lines(self._path) if json.loads(line)['step'] <= resume_after]
            replace_text(self._path, ''.join(kept))
        self._file = self._path.open('a')
        self._board = SummaryWriter(str(workdir / 'tensorboard'), purge_step=resume_after + 1)

    def write(self, step: int, epoch: int, split: str, values: dict[str, float]) -> None:
        """One line, on disk when this returns."""
        if not self._active:
            return
        self._file.write(json.dumps({'step': step, 'epoch': epoch, 'split': split, **values}) + '\n')
        self._file.flush()
        os.fsync(self._file.fileno())
        for name, value in values.items():
            if math.isfinite(value):
                self._board.add_scalar(f'{split}/{name}', value, step)

    def close(self) -> None:
        """Flushes both files."""
        if self._active:
            self._file.close()
            self._board.close()


def complete_lines(path: Path) -> list[str]:
    """The lines of a file, without a last one that a kill cut short."""
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith('\n')]


def replace_text(path: Path, text: str) -> None:
    """Writes a file so that a reader, or a kill, sees the old or the new text and nothing between."""
    temporary = path.with_name(path.name + '.tmp')
    with temporary.open('w') as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
