"""Asynchronous checkpoints with Orbax, of which the last and the best are kept, and the moments to save or stop.

A checkpoint holds `state` (the TrainState) and `run` (JSON: position in the data, selection, vocabulary,
configuration) with checksums of both. A save killed midway leaves a temporary folder that is never restored from, and a
checkpoint that is not what was saved is refused. All processes save, and stop on SIGTERM, at the same step.
"""

import contextlib
import dataclasses
import errno
import glob
import json
import logging
import os
import shutil
import signal
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from orbax.checkpoint.checkpoint_managers import PreservationPolicy

from camanet_jax.run.files import PASSING, REMEDIES, in_utf8, refusal
from camanet_jax.run.workers import Stopped, ThreadsLeft

LOG = logging.getLogger(__name__)

Restored = TypeVar('Restored')
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
    """Raises ValueError for a path that Orbax cannot read back: with * ? [, which make a pattern, or not in UTF-8."""
    if not in_utf8(str(Path(workdir).absolute())):
        raise ValueError(
            f'Expected a workdir with a path in UTF-8, got {str(workdir)!a}; rename it, or set PYTHONUTF8=1.'
        )
    if glob.has_magic(str(Path(workdir).absolute())):
        raise ValueError(
            f'Expected a workdir without the characters * ? [ in its path, where checkpoints cannot be read back; got '
            f'{Path(workdir).absolute()}. Choose another --workdir, or rename the folder that holds the run.'
        )


def checksum(tree: Any) -> int:
    """CRC-32 of a tree's arrays, one after the other."""
    total = 0
    for leaf in jax.tree.leaves(jax.device_get(tree)):
        total = zlib.crc32(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8), total)
    return total


def _text_checksum(run: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(run, sort_keys=True).encode())


def _size(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


class DamagedCheckpoint(ValueError):
    """A checkpoint that cannot be read, or is not what was saved."""


class NotSaved(ThreadsLeft):
    """A checkpoint that could not be saved; Orbax's threads have more to say of it."""


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
        run['checksums'] = {'run': _text_checksum(run), 'state': checksum(state), 'bytes': _size(state)}
        parts = dict(state=ocp.args.StandardSave(state), run=ocp.args.JsonSave(run))
        with self._saving():
            self._manager.save(step, args=ocp.args.Composite(**parts))

    def missing_bytes(self, template: Any) -> int:
        """The bytes that checkpoints will still need: last, best, and one being written, which takes twice its size."""
        return max(0, 4 - len(self._manager.all_steps())) * _size(template)

    def latest_step(self) -> int | None:
        """The newest finished checkpoint's step."""
        return self._manager.latest_step()

    def read_run(self, step: int | None = None) -> dict[str, Any]:
        """The `run` part of a checkpoint, by default the newest."""
        return self._read_run(self._existing(step))[0]

    def restore_state(self, template: Any, step: int | None = None) -> Any:
        """The `state` of a checkpoint, in the shapes, dtypes and shardings of `template`."""
        step = self._existing(step)
        _, saved = self._read_run(step)
        with self._reading(step):
            state = self._manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(template)))
            state = state['state']
            # With another dtype than it was saved in, it is another size.
            if saved.get('bytes') == _size(state) and saved['state'] != checksum(state):
                raise ValueError('its arrays are not those that were saved')
            if (own := int(getattr(state, 'step', step))) != step:
                raise ValueError(f'it is that of step {own}: rename its folder')
        return state

    def best_step(self) -> int | None:
        """The step selected so far; None where no epoch has been evaluated."""
        return self.first_whole(self.read_run)['selection']['best_step']

    def first_whole(self, restore: Callable[[int], Restored], first: int | None = None) -> Restored:
        """The result of `restore` for a step: `first`, or else the newest that is not damaged.

        Raises:
          DamagedCheckpoint: all are.
        """
        steps = sorted(self._manager.all_steps(), key=lambda step: (step == first, step), reverse=True)
        if not steps:
            self._existing(None)
        if first is not None and first not in steps:
            LOG.warning('%s is missing. The newest checkpoint is taken.', self.folder / str(first))
        for step in steps[:-1]:
            try:
                return restore(step)
            except DamagedCheckpoint as error:
                LOG.warning('%s. Another checkpoint is taken.', error)
        return restore(steps[-1])

    def set_aside_after(self, step: int) -> None:
        """Renames the checkpoints of later steps, which are damaged, so that they can be saved again."""
        later = [other for other in self._manager.all_steps() if other > step]
        for other in later if jax.process_index() == 0 else ():
            aside = self.folder / f'damaged.{other}'
            shutil.rmtree(aside, ignore_errors=True)
            (self.folder / str(other)).rename(aside)
        if later:
            multihost_utils.sync_global_devices('damaged checkpoints set aside')
            self._manager.reload()

    def remove(self, step: int) -> None:
        """Removes a checkpoint that is to be saved anew; those before it stay."""
        with self._saving():
            self._manager.delete(step)

    def wait(self) -> None:
        """Waits until every save has reached the disk."""
        with self._saving():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for every save and ends the manager's threads."""
        self._manager.close()

    @contextlib.contextmanager
    def _saving(self) -> Iterator[None]:
        """Says in one line why a checkpoint cannot be saved; Orbax's threads would say it many times."""
        try:
            yield
        except Exception as error:
            number = refusal(error)
            if number is None and not isinstance(error, OSError):
                raise
            reason = f'{os.strerror(number)}; {REMEDIES[number]}' if number else error
            raise NotSaved(
                f'{self.folder}: a checkpoint could not be saved: {reason}. Those before it are whole, and the same '
                'command resumes from them.'
            ) from error

    def _read_run(self, step: int) -> tuple[dict[str, Any], dict[str, int]]:
        """The `run` part, and the checksums, which checkpoints of earlier versions lack."""
        with self._reading(step):
            run = self._manager.restore(step, args=ocp.args.Composite(run=ocp.args.JsonRestore()))['run']
            saved = run.pop('checksums', {})
            if saved and saved['run'] != _text_checksum(run):
                raise ValueError('its position, selection, vocabulary and configuration are not those that were saved')
        return run, saved

    @contextlib.contextmanager
    def _reading(self, step: int) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Orbax and what it builds on raise all kinds
            folder = self.folder / str(step)
            closed = next((path for path in folder.rglob('*') if not os.access(path, os.R_OK)), None)
            number = errno.EACCES if closed else refusal(error)
            if number in PASSING:
                raise OSError(number, os.strerror(number), str(closed or folder)) from error
            reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
            raise DamagedCheckpoint(
                f'{folder}: expected a whole checkpoint of this configuration; it is damaged, or of '
                f'another one ({reason})'
            ) from error

    def _existing(self, step: int | None) -> int:
        step = self.latest_step() if step is None else step
        if step is None:
            raise ValueError(
                f'Expected a checkpoint in {self.folder}, found none. Train first (--mode=train), or check --workdir.'
            )
        return step


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
        """Tells whether a signal has reached this process."""
        return self._received is not None

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """A context in which a signal raises `Stopped`, unless other processes would wait for this one."""
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
            raise Stopped
        signal.signal(signal.SIGTERM, self._end)

    def _end(self, *_: Any) -> None:
        raise Stopped

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
    """Tells all processes whether any of them asks for it; several processes confer only every so many steps."""
    if jax.process_count() == 1:
        return wish
    if step % STEPS_BETWEEN_AGREEMENTS:
        return False
    return bool(multihost_utils.process_allgather(np.array(wish)).any())
