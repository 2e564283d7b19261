"""The lines of a parity report. A key that is missing, or that no check reads, is a line that fails."""

import math
import zipfile
import zlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from camanet_jax.lab.parity.conditioning import Movement
from camanet_jax.lab.parity.rules import Close, Identical
from camanet_jax.run.files import write_json

HEADER = f'{"name":64} {"absolute":>9} {"relative":>9} {"limit":>9} {"moved":>9}  ok'


class Check(NamedTuple):
    """A value and the rule it is compared by; `part` tells several checks of one key apart."""

    actual: Any
    rule: Close | Identical
    part: str = ''


class Line(NamedTuple):
    """One comparison; `ok` is None for what was not compared, `moved` the movement from which the limit comes."""

    name: str
    absolute: float | None
    relative: float | None
    tolerance: float | None
    ok: bool | None
    note: str = ''
    moved: float | None = None

    def __str__(self) -> str:
        def number(value):
            return f'{"-":>9}' if value is None else f'{value:9.1e}'

        verdict = {True: 'ok', False: 'MISS', None: 'not checked'}[self.ok]
        numbers = ' '.join(number(v) for v in (self.absolute, self.relative, self.tolerance, self.moved))
        return f'{self.name:64} {numbers}  {verdict}  {self.note}'.rstrip()


class Arrays(dict):
    """The arrays of one file; asking for one it lacks raises a ValueError that names it."""

    def __init__(self, file: str, arrays: Mapping[str, np.ndarray]):
        super().__init__(arrays)
        self.file = file

    def __missing__(self, key: str):
        raise ValueError(f'{self.file}: key {key} is missing')


def load_arrays(path: Path) -> Arrays:
    """Reads an npz file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return Arrays(path.name, {key: file[key] for key in file.files})
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f'{path.name}: cannot be read: {error}') from error


class Report:
    """Collects the lines, and prints each as it comes where a stream is given."""

    def __init__(self, stream: TextIO | None = None):
        self.lines: list[Line] = []
        self.stream = stream
        self.say(HEADER)

    def say(self, text: Any):
        """Prints a line of the report."""
        if self.stream:
            print(text, file=self.stream, flush=True)

    def add(self, line: Line):
        """Adds a line, and prints it."""
        self.lines.append(line)
        self.say(line)

    def compare(self, name: str, check: Check, reference: Any, moved: float | None = None):
        """Adds the comparison of one value."""
        full = f'{name} {check.part}'.strip()
        outcome = check.rule(check.actual, reference)
        self.add(Line(full, outcome.absolute, outcome.relative, check.rule.tolerance, outcome.ok, outcome.note, moved))

    def miss(self, name: str, note: str):
        """Adds a failure without numbers."""
        self.add(Line(name, None, None, None, False, note))

    def not_checked(self, name: str, note: str):
        """Adds a line on something present that is not compared; it neither passes nor fails."""
        self.add(Line(name, None, None, None, None, note))

    def compare_file(
        self,
        where: str,
        arrays: Mapping[str, Any],
        checks: Mapping[str, list[Check]],
        inputs: Collection[str] = (),
        left_out: Collection[str] = (),
        movement: Movement | None = None,
    ):
        """Compares every key of a file.

        Args:
          where: the file's name in the report.
          checks: what each key must agree with. A key that the file lacks is a miss, unless it is in `left_out`.
          inputs: keys that the values were computed from. Any other key of the file is a miss: nothing read it.
          movement: sets the limits, in place of those that the checks have.
        """
        before = len(self.lines)
        for key, wanted in checks.items():
            for i, check in enumerate(wanted if key in arrays else ()):
                moved = None
                if movement:
                    check, moved = movement.limit(key, i, check, arrays[key])
                self.compare(f'{where}:{key}', check, arrays[key], moved)
            if key not in arrays and key in left_out:
                self.not_checked(f'{where}:{key}', 'left out of this folder by its reference.json')
            elif key not in arrays:
                self.miss(f'{where}:{key}', 'missing')
        for key in sorted(set(arrays) - set(checks) - set(inputs)):
            self.miss(f'{where}:{key}', 'unread: no check knows this key')
        if inputs and any(line.ok is False for line in self.lines[before:]):
            self.say(f'  {where}: computed from {", ".join(sorted(inputs)[:12])}; one of these may be what is wrong')

    def guard(self, where: str, check: Callable[..., None], *args: Any):
        """Runs a check; an input that it cannot use is a miss with the check's message."""
        try:
            check(*args)
        except (ValueError, OSError) as error:
            self.miss(where, ' '.join(str(error).split()))

    @property
    def ok(self) -> bool:
        """True if something was compared and nothing missed."""
        verdicts = [line.ok for line in self.lines]
        return False not in verdicts and True in verdicts

    def summary(self) -> str:
        """The last line."""
        counts = {verdict: sum(line.ok is verdict for line in self.lines) for verdict in (True, False, None)}
        return f'{counts[True]} ok, {counts[False]} missed, {counts[None]} not checked'

    def write_json(self, path: Path, **facts: Any):
        """Writes all lines; a number that is not finite becomes a string."""

        def plain(value):
            return str(value) if isinstance(value, float) and not math.isfinite(value) else value

        lines = [{key: plain(value) for key, value in line._asdict().items()} for line in self.lines]
        write_json(path, {**facts, 'ok': self.ok, 'lines': lines})
