"""The tables of MIMIC-CXR-JPG 2.x: which films there are, of whom, in which split, seen from where."""

import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from camanet_jax.labeling.label_files import column_places, open_text

_SPLITS = {'train': 'train', 'validate': 'val', 'test': 'test'}  # the official names, and ours
# Views in the order in which a study's films are listed: frontal first, the better one before the other.
_VIEW_ORDER = ('PA', 'AP', 'LATERAL', 'LL')
VIEW_CHOICES = {'PA': ('PA',), 'AP': ('AP',), 'frontal': ('PA', 'AP'), 'all': None}


@dataclasses.dataclass(frozen=True, slots=True)
class Film:
    """One image."""

    dicom_id: str
    study_id: str  # digits
    subject_id: str  # digits
    split: str  # ours
    view: str  # ViewPosition of the metadata: PA, AP, LATERAL, LL, ... or ''

    @property
    def path(self) -> str:
        """Below the folder `files`."""
        return f'p{self.subject_id[:2]}/p{self.subject_id}/s{self.study_id}/{self.dicom_id}.jpg'

    @property
    def place(self) -> int:
        """Of the view among a study's."""
        return _VIEW_ORDER.index(self.view) if self.view in _VIEW_ORDER else len(_VIEW_ORDER)


def read_films(source: Path, views: str) -> list[Film]:
    """The films of the chosen views, in the order of the split table.

    Args:
      source: holds mimic-cxr-2.x-split.csv.gz and -metadata.csv.gz, gzipped or not.
      views: a key of `VIEW_CHOICES`.

    Raises:
      ValueError: a table is missing, or has other columns or splits.
    """
    if views not in VIEW_CHOICES:
        raise ValueError(f'expected views as one of {list(VIEW_CHOICES)}, got {views!r}')
    wanted = VIEW_CHOICES[views]
    positions = dict(_rows(find_table(source, 'metadata'), 'dicom_id', 'ViewPosition'))
    films = []
    path = find_table(source, 'split')
    for dicom_id, study_id, subject_id, split in _rows(path, 'dicom_id', 'study_id', 'subject_id', 'split'):
        if split not in _SPLITS:
            raise ValueError(f'{path}: expected the splits {", ".join(_SPLITS)}, got {split!r} for {dicom_id}')
        view = positions.get(dicom_id, '')
        if wanted is None or view in wanted:
            films.append(Film(dicom_id, study_id, subject_id, _SPLITS[split], view))
    if not films:
        raise ValueError(f'{path}: no film has a view of {views!r}')
    return films


def find_table(source: Path, name: str) -> Path:
    """The table of this name ('split', 'metadata', 'chexpert', 'negbio') of any release 2.x."""
    found = sorted(source.glob(f'mimic-cxr-2.*-{name}.csv')) + sorted(source.glob(f'mimic-cxr-2.*-{name}.csv.gz'))
    if not found:
        raise ValueError(f'{source}: expected mimic-cxr-2.0.0-{name}.csv.gz, as MIMIC-CXR-JPG ships it')
    return found[-1]


def _rows(path: Path, *columns: str) -> Iterator[tuple[str, ...]]:
    with open_text(path) as file:
        rows = csv.reader(file)
        header = next(rows, [])
        places = column_places(path, header, columns)
        for number, row in enumerate(rows, 2):
            if len(row) != len(header):
                raise ValueError(f'{path}: line {number} has {len(row)} of {len(header)} cells')
            yield tuple(row[place].strip() for place in places)
