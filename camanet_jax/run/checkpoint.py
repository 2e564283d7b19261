"""Asynchronous checkpoints with Orbax, of which the last and the best are kept, and the moments to save or stop.

A checkpoint holds `state` (the TrainState) and `run` (JSON: position in the data, selection, vocabulary,
configuration). A save killed midway leaves a temporary folder that is never restored from. All processes save, and stop
on SIGTERM, at the same step.
"""

import contextlib
import dataclasses
import errno
import glob
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from orbax.checkpoint.checkpoint_managers import PreservationPolicy

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.EMFILE)
STEPS_BETWEEN_AGREEMENTS = 50  # of several processes on whether to save or to stop


@dataclasses.dataclass
class Selection:
    """The epoch with the best validation score, and the number of epochs since.

    The best step is kept here rather than by the checkpoint manager, so that ties and resumed runs are decided alike.
    """

    best_score: float | None = None
    best_step: int | None = None
    best_epoch: int | None = None
    epochs_since_best: int = 0

    def update(self, score: float, step: int, epoch: int) -> bool:
        """Counts an epoch; returns whether it is the new best. The earlier of equals stays best."""
        if self.best_score is not None and score <= self.best_score:
            self.epochs_since_best += 1
            return False
        self.best_score, self.best_step, self.best_epoch, self.epochs_since_best = score, step, epoch, 0
        return True

    def restore(self, fields: dict[str, Any]) -> None:
        """Restores the fields that a checkpoint holds."""
        for name, value in fields.items():
            setattr(self, name, value)


class LastAndBest(PreservationPolicy):
    """Keeps the newest checkpoint and the one at the selection's best step."""

    def __init__(self, selection: Selection):
        self.selection = selection

    def should_preserve(self, checkpoints, *, context) -> list[bool]:
        """Tells which checkpoints to keep, oldest first."""
        del context
        newest = checkpoints[-1].step if checkpoints else None
        return [info.step in (newest, self.selection.best_step) for info in checkpoints]


def has_checkpoint(workdir: str | Path) -> bool:
    """Tells whether a workdir holds a finished checkpoint; unlike `Checkpoints` it makes no folder."""
    return any(folder.name.isdigit() for folder in (Path(workdir) / 'checkpoints').glob('*'))


def check_path(workdir: str | Path) -> None:
    """Raises ValueError for a path that contains * ? [, which Orbax takes for a pattern when it restores."""
    if glob.has_magic(str(Path(workdir).absolute())):
        raise ValueError(
            f'Expected a workdir without the characters * ? [ in its path, where checkpoints cannot be read back; got '
            f'{Path(workdir).absolute()}. Choose another --workdir, or rename the folder that holds the run.'
        )


class Checkpoints:
    """The checkpoints of one workdir; the training loop updates `selection`."""

    def __init__(self, workdir: str | Path, selection: Selection | None = None):
        check_path(workdir)
        self.selection = selection or Selection()
        self.folder = Path(workdir).absolute() / 'checkpoints'
        options = ocp.CheckpointManagerOptions(preservation_policy=LastAndBest(self.selection))
        self._manager = ocp.CheckpointManager(self.folder, options=options)

    def save(self, step: int, state: Any, run: dict[str, Any]) -> None:
        """Starts saving; returns once the device arrays are copied."""
        run = run | {'selection': dataclasses.asdict(self.selection)}
        parts = dict(state=ocp.args.StandardSave(state), run=ocp.args.JsonSave(run))
        with self._saving():
            self._manager.save(step, args=ocp.args.Composite(**parts))

    def latest_step(self) -> int | None:
        """The newest finished checkpoint's step."""
        return self._manager.latest_step()

    def read_run(self, step: int | None = None) -> dict[str, Any]:
        """The `run` part of a checkpoint, by default the newest."""
        step = self._existing(step)
        return self._manager.restore(step, args=ocp.args.Composite(run=ocp.args.JsonRestore()))['run']

    def restore_state(self, template: Any, step: int | None = None) -> Any:
        """The `state` of a checkpoint, in the shapes, dtypes and shardings of `template`."""
        step = self._existing(step)
        return self._manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(template)))['state']

    def best_step(self) -> int:
        """The step selected so far; the newest where no epoch has been evaluated."""
        best = self.read_run()['selection']['best_step']
        return self._existing(None) if best is None else best

    def wait(self) -> None:
        """Waits until every save has reached the disk."""
        with self._saving():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for every save and ends the manager's threads."""
        self._manager.close()

    @contextlib.contextmanager
    def _saving(self) -> Iterator[None]:
        """Says in one line what keeps a checkpoint from being saved, of which Orbax's threads say it many times."""
        try:
            yield
        except Exception as error:
            reason = next((known for known in map(os.strerror, _DISK) if known.lower() in str(error).lower()), None)
            if reason is None and not isinstance(error, OSError):
                raise
            raise ValueError(
                f'{self.folder}: a checkpoint could not be saved ({reason or error}). Make room or give the right to '
                'write there; the checkpoints before it are whole, and the same command resumes from them.'
            ) from error

    def _existing(self, step: int | None) -> int:
        step = self.latest_step() if step is None else step
        if step is None:
            raise ValueError(
                f'Expected a checkpoint in {self.folder}, found none. Train first (--mode=train), or check --workdir.'
            )
        return step


class Stopped(Exception):
    """Raised by a signal in work that a later run does again."""


class StopSignal:
    """Notes SIGTERM and Ctrl+C; the loop saves and ends at the next step that all processes agree on."""

    def __init__(self):
        self._received, self._interrupts = None, False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, number: int, _: Any) -> None:
        if number == self._received == signal.SIGINT:
            raise KeyboardInterrupt  # the second one waits for nothing
        self._received = signal.Signals(number)
        if self._interrupts:
            raise Stopped

    @property
    def name(self) -> str:
        """The signal that came, e.g. 'SIGTERM'."""
        return self._received.name

    def noted(self) -> bool:
        """Tells whether one has come to this process."""
        return self._received is not None

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """Within, a signal raises `Stopped`, unless there are other processes, which would wait for this one."""
        self._interrupts = jax.process_count() == 1
        if self._interrupts and self.noted():
            raise Stopped
        try:
            yield
        finally:
            self._interrupts = False

    def exit_at_once(self) -> None:
        """Lets the signal end the process from now on, when everything has been saved."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.noted():
            sys.exit(0)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    def requested(self, step: int) -> bool:
        """Tells whether to stop after `step`."""
        return agreed(self.noted(), step)


class SaveClock:
    """Tells when a checkpoint within an epoch is due."""

    def __init__(self, minutes: float):
        self._seconds = 60 * minutes
        self.restart()

    def restart(self) -> None:
        """Starts counting again."""
        self._last = time.monotonic()

    def due(self, step: int) -> bool:
        """Tells whether to save after `step`."""
        return agreed(time.monotonic() - self._last >= self._seconds, step)


def agreed(wish: bool, step: int) -> bool:
    """Tells all processes whether any of them has the wish; several processes confer only every so many steps."""
    if jax.process_count() == 1:
        return wish
    if step % STEPS_BETWEEN_AGREEMENTS:
        return False
    return bool(multihost_utils.process_allgather(np.array(wish)).any())
