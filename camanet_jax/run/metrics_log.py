"""The metrics of a run: a JSON object per line in metrics.jsonl, and the same curves for TensorBoard.

Those of a training step are read one step late, checked for divergence, and written.
"""

import contextlib
import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar

from camanet_jax.run.checkpoint import Checkpoints
from camanet_jax.run.files import append_json_lines, read_json_lines, write_json_lines
from camanet_jax.run.progress import Progress

LOG = logging.getLogger(__name__)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Reads the lines of a metrics.jsonl; raises ValueError where one is damaged."""
    return read_json_lines(path, fields=('step', 'epoch', 'split'))


class WallTime:
    """Seconds by activity: start-up, which ends when the first step is compiled, steps, input, validation, saving.

    Waiting for input counts as input even while the device is busy: goodput, the share of steps, is a lower bound.
    """

    ACTIVITIES = ('startup', 'steps', 'input', 'validation', 'saving')

    def __init__(self):
        self._seconds = dict.fromkeys(self.ACTIVITIES, 0.0)
        self._activity, self._since = 'startup', time.monotonic()

    def turn_to(self, activity: str) -> None:
        """Counts what follows as `activity`."""
        now = time.monotonic()
        self._seconds[self._activity] += now - self._since
        self._activity, self._since = activity, now

    @contextlib.contextmanager
    def during(self, activity: str) -> Iterator[None]:
        """Counts what is done within as `activity`."""
        before = self._activity
        self.turn_to(activity)
        try:
            yield
        finally:
            self.turn_to(before)

    def take(self) -> dict[str, float]:
        """The seconds since the last call, as metrics, with the share of steps; counts from 0 again."""
        self.turn_to(self._activity)
        seconds, self._seconds = self._seconds, dict.fromkeys(self.ACTIVITIES, 0.0)
        shares = {'time/goodput': seconds['steps'] / max(sum(seconds.values()), 1e-9)}
        return {f'time/{name}': value for name, value in seconds.items()} | shares


def wall_time_in_words(lines: Iterable[Mapping[str, Any]]) -> str:
    """The shares of a run's wall time, up to its last validation; empty where its lines do not hold them."""
    lines = [line for line in lines if 'time/goodput' in line]
    seconds = {name: sum(line[f'time/{name}'] for line in lines) for name in WallTime.ACTIVITIES}
    if not (total := sum(seconds.values())):
        return ''
    return f'wall time {total:.0f} s: ' + ', '.join(f'{name} {value / total:.0%}' for name, value in seconds.items())


class MetricsLog:
    """Appends to `workdir`/metrics.jsonl; each step of a split has one line, in resumed runs too.

    A line reads {"step", "epoch", "split", name: value, ...}; wall-clock values are named `time/...`.
    """

    def __init__(self, workdir: Path, resume_after: int, *, validated: bool = True, active: bool = True):
        """Drops lines after step `resume_after`, and those of a validation at that step which is to be repeated.

        A process that is not `active` writes nothing.
        """
        self._active = active
        if not active:
            return
        self._path = workdir / 'metrics.jsonl'
        kept = []
        if self._path.exists():
            ends = {'train': resume_after, 'val': resume_after - (not validated)}
            kept = [line for line in read_metrics(self._path) if line['step'] <= ends.get(line['split'], -1)]
            write_json_lines(self._path, kept)
        if missing := resume_after - sum(line['split'] == 'train' for line in kept):
            LOG.warning('%s lacks %d of %d steps; the curves will lack them too.', self._path, missing, resume_after)
        # Not tensorboardX's SummaryWriter: its thread dies of a full disk, and what waits for it never ends.
        (workdir / 'tensorboard').mkdir(parents=True, exist_ok=True)
        self._board = EventsWriter(str(workdir / 'tensorboard' / 'events'))
        self._board.write_event(Event(step=resume_after + 1, session_log=SessionLog(status=SessionLog.START)))

    def write(self, step: int, epoch: int, split: str, values: dict[str, float]) -> None:
        """Appends a line, which is on disk when this returns."""
        if not self._active:
            return
        append_json_lines(self._path, [{'step': step, 'epoch': epoch, 'split': split, **values}])
        for name, value in values.items():
            if math.isfinite(value):
                curve = scalar(f'{split}/{name}', value)
                self._board.write_event(Event(wall_time=time.time(), step=step, summary=curve))

    def close(self) -> None:
        """Flushes the curves."""
        if self._active:
            self._board.close()


class NonFiniteLoss(FloatingPointError):
    """Training diverged; the message names the step and the checkpoint that is still good."""


class StepMetrics:
    """Writes each step's metrics one step late, so that reading them does not hold up the device."""

    def __init__(self, log: MetricsLog, progress: Progress, images: int, epoch_steps: int, checkpoints: Checkpoints):
        self._log, self._progress, self._checkpoints = log, progress, checkpoints
        self._images, self._epoch_steps = images, epoch_steps
        self._pending: tuple | None = None
        self._last = time.monotonic()

    def add(self, step: int, metrics: dict[str, jax.Array], rates) -> None:
        """Keeps the metrics of step `step`, counted from 1, and writes those of the step before."""
        self.flush()
        self._pending = step, metrics, rates

    def restart_clock(self) -> None:
        """Excludes the time since the last step from the next one's."""
        self._last = time.monotonic()

    def flush(self) -> None:
        """Writes the pending metrics; raises NonFiniteLoss where training has diverged."""
        if self._pending is None:
            return
        step, metrics, rates = self._pending
        self._pending = None
        values = {name: float(value) for name, value in sorted(jax.device_get(metrics).items())}
        bad = [f'{name}={value}' for name, value in values.items() if not math.isfinite(value)]
        if bad:  # the norm of the update counts too: the state holds it by now
            raise NonFiniteLoss(self._describe(step, ', '.join(bad)))
        seconds, self._last = time.monotonic() - self._last, time.monotonic()
        speed = self._images / seconds
        values |= {'lr_backbone': rates.backbone, 'lr_decoder': rates.decoder}
        values |= {'time/seconds': seconds, 'time/images_per_second': speed}
        self._log.write(step, (step - 1) // self._epoch_steps + 1, 'train', values)
        self._progress.advance(f'loss {values["loss"]:.3f}, {speed:.0f} images/s')

    def _describe(self, step: int, bad: str) -> str:
        self._checkpoints.wait()
        good = self._checkpoints.latest_step()
        return (
            f'Step {step} gave {bad}. The last good checkpoint is '
            f'{"none" if good is None else f"step {good} in {self._checkpoints.folder}"}. '
            'Lower the learning rates, or look at the batch of this step.'
        )
