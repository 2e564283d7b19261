"""Label files: the community's JSON, and CSV as CheXbert, CheXpert and NegBio write it.

JSON   {study id: 14 times 0 or 1} in the order of `OBSERVATIONS`; -1 where an uncertain label is to be ignored.
CSV    a row per study and a column per observation, found by name: 1 positive, 0 negative, -1 uncertain, empty blank.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from camanet_jax.data.schema import OBSERVATIONS, summarise
from camanet_jax.run.files import as_csv, column_indices, read_csv, read_json, write_json, write_text

POSITIVE, NEGATIVE, UNCERTAIN, BLANK = 1, 0, -1, -2
IGNORED = -1  # in binary labels: counts neither way
UNCERTAIN_POLICIES = ('negative', 'positive', 'ignore')


def positives(labels: Int[np.ndarray, 'B Y'], uncertain: str = 'negative') -> Int[np.ndarray, 'B Y']:
    """Binary labels; blank ones become negative, uncertain ones what the policy `uncertain` says.

    No Finding stays what the labeler said: an uncertain observation denies it under every policy.

    Args:
      uncertain: one of `UNCERTAIN_POLICIES`; 'ignore' makes uncertain labels `IGNORED`.
    """
    if uncertain not in UNCERTAIN_POLICIES:
        raise ValueError(f'Expected uncertain as one of {UNCERTAIN_POLICIES}, got {uncertain!r}.')
    value = {'negative': NEGATIVE, 'positive': POSITIVE, 'ignore': IGNORED}[uncertain]
    return np.where(labels == UNCERTAIN, value, labels == POSITIVE).astype(np.int8)


def without_ignored(*sides: Int[np.ndarray, 'B Y']) -> tuple[Int[np.ndarray, 'B Y'], ...]:
    """Binary labels made comparable: a label that one side ignores becomes 0 on all, so that no score counts it."""
    ignored = np.any([side == IGNORED for side in sides], axis=0)
    return tuple(np.where(ignored, NEGATIVE, side) for side in sides)


Labels = dict[str, tuple[int, ...]]  # id -> Y values in the order of OBSERVATIONS

# The order of CheXbert's heads and of the columns that it writes.
CHEXBERT_ORDER = tuple(
    'Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,'
    'Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices,No Finding'.split(',')
)
FROM_CHEXBERT = tuple(CHEXBERT_ORDER.index(name) for name in OBSERVATIONS)  # CheXbert's index of each observation

CELLS = {POSITIVE: '1', NEGATIVE: '0', UNCERTAIN: '-1', BLANK: ''}
VALUES = {'': BLANK} | {form: value for value in (POSITIVE, NEGATIVE, UNCERTAIN) for form in (str(value), f'{value}.0')}


def read_label_csv(path: str | Path, id_column: str = 'id') -> Labels:
    """Labels 1, 0, -1 or -2 (blank) from a CSV, plain or gzipped, with columns in any order.

    Args:
      id_column: the column that names a row, e.g. 'study_id' in the files that MIMIC-CXR-JPG ships.

    Raises:
      ValueError: a column is missing or repeated, ids repeat, or cells hold other values; problems are listed.
    """
    path, labels, problems = Path(path), {}, []
    header, rows = read_csv(path)
    id_index, *indices = column_indices(path, header, (id_column, *OBSERVATIONS))
    for line, row in rows:
        name = row[id_index] if len(row) == len(header) else None
        cells = [row[index].strip() for index in indices] if name else []
        if not name:
            problems.append(f'line {line} has {len(row)} of {len(header)} cells, or no {id_column}')
        elif name in labels:
            problems.append(f'line {line}: {id_column} {name} a second time')
        elif unknown := sorted(set(cells) - set(VALUES)):
            problems.append(f'line {line}: expected 1, 0, -1 or an empty cell, got {unknown}')
        else:
            labels[name] = tuple(VALUES[cell] for cell in cells)
    if problems:
        raise ValueError(f'{path}: {summarise(problems, "problem", "problems")}')
    return labels


def write_label_csv(path: str | Path, labels: Mapping[str, Sequence[int]], id_column: str = 'id') -> None:
    """Writes labels 1, 0, -1 or -2 (blank) with CheXbert's columns, in CheXbert's order."""
    order = [OBSERVATIONS.index(name) for name in CHEXBERT_ORDER]
    rows = ([name, *(CELLS[int(row[index])] for index in order)] for name, row in labels.items())
    write_text(Path(path), as_csv([(id_column, *CHEXBERT_ORDER), *rows]))


def read_label_json(path: str | Path) -> Labels:
    """Labels 0, 1 or -1 (ignored) from a JSON label file.

    Raises:
      ValueError: it is not such a file, or rows have another width or other values; problems are listed.
    """
    rows = read_json(Path(path))
    if not isinstance(rows, dict):
        raise ValueError(f'{path}: expected an object of label rows by study id, got {type(rows).__name__}')
    wrong = [
        f'{name}: expected {len(OBSERVATIONS)} values of 0, 1 or -1 (ignored), got {row}'
        for name, row in rows.items()
        if not is_binary_row(row)
    ]
    if wrong:
        raise ValueError(f'{path}: {summarise(wrong, "problem", "problems")}')
    return {name: tuple(map(int, row)) for name, row in rows.items()}


def is_binary_row(row: object) -> bool:
    """Tells whether this is a row of a JSON label file."""
    width_fits = isinstance(row, list) and len(row) == len(OBSERVATIONS)
    return width_fits and all(value in (POSITIVE, NEGATIVE, IGNORED) for value in row)


def write_label_json(path: str | Path, labels: Mapping[str, Sequence[int]]) -> None:
    """Writes binary labels (`positives`)."""
    write_json(Path(path), {name: [int(value) for value in row] for name, row in labels.items()}, indent=None)
