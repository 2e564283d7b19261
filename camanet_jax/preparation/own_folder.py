"""Own data as unchecked rows, from annotation.json or from a CSV.

A CSV has the columns `id`, `split`, `report` and one or more that start with `image_path` (a cell may also hold several
paths, separated by ';'). Optional are a patient column, and labels in one column per observation, or in one column
`labels` with 14 values. Labels are 1, 0, -1 (uncertain) or empty. Both may hold the fields of `schema.DETAILS` too.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from camanet_jax.data.schema import (
    DETAILS,
    OBSERVATIONS,
    PATIENT_COLUMNS,
    as_detail,
    label_row,
    read_entries,
    read_json_object,
)
from camanet_jax.run.files import column_indices, read_csv

_SPLIT_NAMES = {'validate': 'val', 'validation': 'val', 'valid': 'val', 'dev': 'val'}


@dataclasses.dataclass(frozen=True)
class Row:
    """One study's entry, unchecked."""

    where: str  # its position: 'line 7', 'train[6]'
    id: str = ''
    split: str = ''
    report: str = ''
    image_paths: tuple[str, ...] = ()
    labels: Any = None  # 14 values, if they are valid
    patient: str | None = None
    details: dict[str, Any] = dataclasses.field(default_factory=dict)  # of `schema.DETAILS`
    fault: str = ''  # the reason why the rest is empty


def read_rows(source: Path, table: Path | None = None) -> list[Row]:
    """Reads all studies of a folder.

    Args:
      source: a folder with annotation.json (and labels.json), or with one CSV.
      table: the annotation.json or CSV itself, where it lies elsewhere or there are several.

    Raises:
      ValueError: there is no such file, or it is malformed.
    """
    table = table or _find_table(source)
    return list(_annotation_rows(table) if table.suffix == '.json' else _csv_rows(table))


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
    # A missing row is a fault where the other studies have labels.
    row = None if labels is None else label_row(name, labels) or ()
    patient = next((_text(entry[key]) for key in PATIENT_COLUMNS if key in entry), None)
    here, stated = _split_name(split), _split_name(_text(entry.get('split', split)))
    fault = '' if stated == here else f'listed under "{split}", but its "split" is {entry["split"]!r}'
    details = {key: as_detail(key, entry[key], _text) for key in DETAILS if entry.get(key)}
    return Row(where, name, here, _text(entry.get('report')), tuple(map(_text, paths)), row, patient, details, fault)


# --- CSV ---


def _csv_rows(path: Path) -> Iterator[Row]:
    header, lines = read_csv(path)
    column_indices(path, header, ('id', 'split', 'report'))
    if not any(name.startswith('image_path') for name in header):
        raise ValueError(f'{path}: expected a column image_path (or image_path_1, ...), got {", ".join(header)}')
    if set(header) & set(OBSERVATIONS):
        column_indices(path, header, OBSERVATIONS)
    for line, cells in lines:
        if len(cells) != len(header):
            yield Row(f'line {line}', fault=f'row of the wrong width: {len(cells)} of {len(header)} cells')
        else:
            yield _csv_row(f'line {line}', list(zip(header, map(str.strip, cells), strict=True)))


def _csv_row(where: str, named_cells: list[tuple[str, str]]) -> Row:
    path_cells = (cell for name, cell in named_cells if name.startswith('image_path'))
    paths = tuple(path.strip() for cell in path_cells for path in cell.split(';') if path.strip())
    cells = dict(named_cells)
    labels = [cells[name] for name in OBSERVATIONS] if OBSERVATIONS[0] in cells else None
    if 'labels' in cells:
        labels = cells['labels'].strip('[]').replace(',', ' ').replace(';', ' ').split()
    patient = next((cells[name] for name in PATIENT_COLUMNS if name in cells), None)
    details = {
        key: as_detail(key, cells[key].split(';') if key == 'view' else cells[key], _text)
        for key in DETAILS
        if cells.get(key)
    }
    return Row(where, cells['id'], _split_name(cells['split']), cells['report'], paths, labels, patient, details)


def _split_name(name: str) -> str:
    return _SPLIT_NAMES.get(name.lower(), name.lower())


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int) else ''
