"""Labels on disk as they are made, so that a labelling that is killed goes on where it stopped."""

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path

from camanet_jax.labeling.label_files import Labels


class Journal:
    """An append-only file: a line that says how labels are made, then a line per report.

    A line holds the report's checksum too: a report that has changed since is labelled again.

    Raises:
      ValueError: the file's labels were made in another way.
    """

    def __init__(self, path: Path, made_by: Mapping[str, str]):
        self._path, self._lines = path, {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            drop_torn_line(path)
            self._read(made_by)
        if not self._lines:
            path.write_text(json.dumps(dict(made_by)) + '\n')

    def _read(self, made_by: Mapping[str, str]) -> None:
        first, *lines = map(json.loads, self._path.read_text(encoding='utf-8').splitlines() or ['null'])
        if first is not None and first != dict(made_by):
            raise ValueError(
                f'{self._path}: its labels were made by {first}, these would be by {dict(made_by)}. '
                'Choose another output folder, or delete this file to label everything again.'
            )
        self._lines = {line['id']: line for line in lines}

    def finished(self, reports: Mapping[str, str]) -> Labels:
        """The labels of those reports that have been labelled, in the order of `reports`."""
        return {
            name: tuple(self._lines[name]['labels'])
            for name, report in reports.items()
            if self._lines.get(name, {}).get('checksum') == checksum(report)
        }

    def add(self, reports: Mapping[str, str], labels: Labels) -> None:
        """Appends labels; they are on the disk when this returns."""
        lines = [{'id': name, 'checksum': checksum(reports[name]), 'labels': list(row)} for name, row in labels.items()]
        with self._path.open('a', encoding='utf-8') as file:
            file.writelines(json.dumps(line) + '\n' for line in lines)
            file.flush()
            os.fsync(file.fileno())
        self._lines.update((line['id'], line) for line in lines)


def drop_torn_line(path: Path) -> None:
    """Cuts off what a kill left of a line."""
    with path.open('rb+') as file:
        file.truncate(file.read().rfind(b'\n') + 1)


def checksum(report: str) -> int:
    """Tells a changed report."""
    return zlib.crc32(report.encode('utf-8', 'surrogatepass'))
