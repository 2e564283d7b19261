"""The record of a run: a JSON object per line in metrics.jsonl, and the same curves for TensorBoard.

Metrics of training steps are read one step late, checked for divergence, and written.
"""

import math
import time
from pathlib import Path

import jax
from tensorboardX import SummaryWriter

from camanet_jax.run.checkpoint import Checkpoints
from camanet_jax.run.files import append_json_lines, read_json_lines, write_json_lines
from camanet_jax.run.progress import Progress


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


class NonFiniteLoss(FloatingPointError):
    """Training diverged; the message names the step and the checkpoint that is still good."""


class StepRecords:
    """Writes each step's metrics one step late, so that reading them does not hold up the device."""

    def __init__(self, log: MetricsLog, progress: Progress, images: int, epoch_steps: int, checkpoints: Checkpoints):
        self._log, self._progress, self._checkpoints = log, progress, checkpoints
        self._images, self._epoch_steps = images, epoch_steps
        self._pending: tuple | None = None
        self._last = time.monotonic()

    def add(self, step: int, metrics: dict[str, jax.Array], rates) -> None:
        """Takes step `step`'s metrics (counted from 1) and writes those of the step before."""
        self.flush()
        self._pending = step, metrics, rates

    def restart_clock(self) -> None:
        """Leaves the time since the last step out of the next one's."""
        self._last = time.monotonic()

    def flush(self) -> None:
        """Writes what is pending; raises NonFiniteLoss where training has diverged."""
        if self._pending is None:
            return
        step, metrics, rates = self._pending
        self._pending = None
        values = {name: float(value) for name, value in sorted(jax.device_get(metrics).items())}
        if not all(map(math.isfinite, values.values())):  # the update's norm too: it is part of the state by now
            raise NonFiniteLoss(self._describe(step, values))
        seconds, self._last = time.monotonic() - self._last, time.monotonic()
        values |= {
            'lr_backbone': rates.backbone,
            'lr_decoder': rates.decoder,
            'time/seconds': seconds,
            'time/images_per_second': self._images / seconds,
        }
        self._log.write(step, (step - 1) // self._epoch_steps + 1, 'train', values)
        self._progress.advance(f'loss {values["loss"]:.3f}, {self._images / seconds:.0f} images/s')

    def _describe(self, step: int, values: dict[str, float]) -> str:
        self._checkpoints.wait()
        bad = ', '.join(f'{name}={value}' for name, value in values.items() if not math.isfinite(value))
        good = self._checkpoints.latest_step()
        return (
            f'Step {step} gave {bad}. The last good checkpoint is '
            f'{"none" if good is None else f"step {good} in {self._checkpoints.folder}"}. '
            'Lower the learning rates, or look at the batch of this step.'
        )
