"""Own data as rows, whatever faults they have: from annotation.json or from a CSV.

A CSV has the columns `id`, `split`, `report` and one or more that start with `image_path` (a cell may also hold several
paths, split by ';'). Optional: a patient column, and labels: one column per observation, or one column `labels` with 14
values. Values are 1, 0, -1 (uncertain) or empty.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from camanet_jax.data.schema import OBSERVATIONS, label_row, read_entries, read_json_object
from camanet_jax.run.files import column_places, read_csv

PATIENT_COLUMNS = ('patient', 'patient_id', 'subject_id')
_SPLIT_NAMES = {'validate': 'val', 'validation': 'val', 'valid': 'val', 'dev': 'val'}


@dataclasses.dataclass(frozen=True)
class Row:
    """One study's entry, unchecked."""

    where: str  # 'line 7', 'train[6]'
    id: str = ''
    split: str = ''
    report: str = ''
    image_paths: tuple[str, ...] = ()
    labels: Any = None  # 14 values, where they are as they should be
    patient: str | None = None
    fault: str = ''  # why the rest is empty


def read_rows(source: Path, table: Path | None = None) -> list[Row]:
    """All studies of a folder.

    Args:
      source: holds annotation.json (and labels.json), or one CSV.
      table: the annotation.json or CSV itself, where it lies elsewhere or there are several.

    Raises:
      ValueError: there is none, or it cannot be read as one.
    """
    table = table or _find_table(source)
    if table.suffix == '.json':
        return list(_annotation_rows(table))
    return list(_csv_rows(table))


def _find_table(source: Path) -> Path:
    annotation = source / 'annotation.json'
    if annotation.is_file():
        return annotation
    tables = sorted([*source.glob('*.csv'), *source.glob('*.csv.gz')])
    if len(tables) != 1:
        names = ', '.join(table.name for table in tables) or 'none'
        raise ValueError(f'{source}: expected annotation.json or one CSV, got {names}; name the file with --table')
    return tables[0]


# --- annotation.json ---


def _annotation_rows(path: Path) -> Iterator[Row]:
    annotation = read_entries(path)
    labels_path = path.with_name('labels.json')
    labels = read_json_object(labels_path) if labels_path.is_file() else None
    for split, entries in annotation.items():
        for number, entry in enumerate(entries):
            yield _annotation_row(f'{split}[{number}]', split, entry, labels)


def _annotation_row(where: str, split: str, entry: Any, labels: dict[str, Any] | None) -> Row:
    if not isinstance(entry, dict):
        return Row(where, fault=f'expected an object with id, report, image_path, got {type(entry).__name__}')
    paths = entry.get('image_path')
    paths = [paths] if isinstance(paths, str) else paths if isinstance(paths, list) else []
    name = _text(entry.get('id'))
    row = None if labels is None else label_row(name, labels)
    if row is None and labels is not None:
        row = ()  # a fault where the others have labels
    patient = next((_text(entry[key]) for key in PATIENT_COLUMNS if key in entry), None)
    here, stated = _split_name(split), _split_name(_text(entry.get('split', split)))
    fault = '' if stated == here else f'listed under "{split}", but its "split" is {entry["split"]!r}'
    return Row(where, name, here, _text(entry.get('report')), tuple(map(_text, paths)), row, patient, fault)


# --- CSV ---


def _csv_rows(path: Path) -> Iterator[Row]:
    header, lines = read_csv(path)
    places = _places(path, header)
    for line, cells in lines:
        if len(cells) != len(header):
            yield Row(f'line {line}', fault=f'row of the wrong width: {len(cells)} of {len(header)} cells')
        else:
            yield _csv_row(f'line {line}', [cell.strip() for cell in cells], places)


@dataclasses.dataclass(frozen=True)
class _Places:
    """Where a CSV's columns are."""

    study: tuple[int, int, int]  # id, split, report
    images: tuple[int, ...]
    observations: tuple[int, ...]  # in the order of OBSERVATIONS, or none
    labels: int | None
    patient: int | None


def _places(path: Path, header: Sequence[str]) -> _Places:
    images = tuple(place for place, name in enumerate(header) if name.startswith('image_path'))
    if not images:
        raise ValueError(f'{path}: expected a column image_path (or image_path_1, ...), got {", ".join(header)}')
    named = set(header) & set(OBSERVATIONS)
    return _Places(
        study=tuple(column_places(path, header, ('id', 'split', 'report'))),
        images=images,
        observations=tuple(column_places(path, header, OBSERVATIONS)) if named else (),
        labels=header.index('labels') if 'labels' in header else None,
        patient=next((header.index(name) for name in PATIENT_COLUMNS if name in header), None),
    )


def _csv_row(where: str, cells: list[str], places: _Places) -> Row:
    name, split, report = (cells[place] for place in places.study)
    paths = tuple(path.strip() for place in places.images for path in cells[place].split(';') if path.strip())
    labels = [cells[place] for place in places.observations] or None
    if places.labels is not None:
        labels = cells[places.labels].strip('[]').replace(',', ' ').replace(';', ' ').split()
    patient = None if places.patient is None else cells[places.patient]
    return Row(where, name, _split_name(split), report, paths, labels, patient)


def _split_name(name: str) -> str:
    return _SPLIT_NAMES.get(name.lower(), name.lower())


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int) else ''
