"""The record of a run: one JSON object per line in metrics.jsonl, and the same curves for TensorBoard."""

import math
from pathlib import Path

from tensorboardX import SummaryWriter

from camanet_jax.run.files import append_json_lines, read_json_lines, write_json_lines


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
            kept = [line for line in read_json_lines(self._path) if line['step'] <= resume_after]
            write_json_lines(self._path, kept)
        self._board = SummaryWriter(str(workdir / 'tensorboard'), purge_step=resume_after + 1)

    def write(self, step: int, epoch: int, split: str, values: dict[str, float]) -> None:
        """One line, on disk when this returns."""
        if not self._active:
            return
        append_json_lines(self._path, [{'step': step, 'epoch': epoch, 'split': split, **values}])
        for name, value in values.items():
            if math.isfinite(value):
                self._board.add_scalar(f'{split}/{name}', value, step)

    def close(self) -> None:
        """Flushes the curves."""
        if self._active:
            self._board.close()
