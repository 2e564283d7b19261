"""Studies from the files, folders and CSVs that a user names.

a.png,b.dcm   as many files for a study as the model reads views, frontal first
DIR           films directly in DIR are studies of one film each; every folder below it with films is one study,
              linked ones too, but for the figures of an --output
FILE.csv      columns `id` and one or more that start with `image_path` (a cell may hold several, separated by ';');
              paths are relative to the CSV, or to `images` beside it; other columns are fields for `data.extras`
"""

import dataclasses
import hashlib
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from camanet_jax.data.image_files import SUFFIXES, is_dicom
from camanet_jax.data.schema import summarise
from camanet_jax.run.files import column_indices, read_csv

LOG = logging.getLogger(__name__)

MADE_BY, OVERLAYS = 'made_by.json', 'overlays'  # an output's record, and the folder of its figures
_CSV = ('.csv', '.csv.gz')
_LATERAL_NAME = re.compile(r'(?<![a-z])(lateral|lat|ll|rl)(?![a-z])', re.IGNORECASE)
_UID = re.compile(r'(?<!\d)[012](\.\d+){4,}')


@dataclasses.dataclass(frozen=True)
class ListedStudy:
    """A study's name, its films, frontal first, and what else is known of it."""

    id: str
    paths: tuple[Path, ...]
    record: Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False)


def hide_uids(text: str) -> str:
    """Replaces DICOM UIDs by `uid-` and ten digits of their SHA-256, by which their owner can match them."""
    return _UID.sub(lambda uid: 'uid-' + hashlib.sha256(uid.group().encode()).hexdigest()[:10], text)


def split_sources(text: str) -> list[str]:
    """The files, folders and CSVs of --images, separated by commas; an existing path may itself contain commas."""
    return [text] if text and Path(text).exists() else [source for source in text.split(',') if source]


def list_studies(sources: Sequence[str | Path], views: int) -> list[ListedStudy]:
    """The studies of files, folders and CSVs, in this order; films are opened only to order a study's views.

    Args:
      sources: the paths that the user names.
      views: I, the number of films that the model reads; that many files in a row make a study, as does a single file.

    Raises:
      ValueError: there are none, files are missing or do not make whole studies, or a study occurs twice.
    """
    sources = [Path(source) for source in sources]
    if not sources:
        raise ValueError(
            'Expected image files, a folder or a CSV, got none. Give --images=a.png,b.png or --images=DIR.'
        )
    if missing := [str(source) for source in sources if not source.exists()]:
        raise ValueError(f'No such file or folder: {", ".join(missing[:10])}.')
    files = [source for source in sources if not source.is_dir() and not _is_csv(source)]
    studies = list(_grouped(files, views))
    for source in sources:
        studies += _in_folder(source) if source.is_dir() else _in_csv(source) if _is_csv(source) else []
    if twice := [name for name, count in Counter(study.id for study in studies).items() if count > 1]:
        raise ValueError(f'Expected every study once; repeated: {summarise(twice, "study", "studies")}.')
    return studies


def _grouped(files: Sequence[Path], views: int) -> Iterator[ListedStudy]:
    if len(files) > 1 and len(files) % views:
        raise ValueError(
            f'Expected a multiple of {views} files, since the model reads {views} views per study, got '
            f'{len(files)}. A folder or a CSV can hold studies of one view too.'
        )
    for start in range(0, len(files), views):
        paths = tuple(files[start : start + views])
        yield ListedStudy('+'.join(map(str, paths)), paths)


def _is_csv(path: Path) -> bool:
    return path.name.lower().endswith(_CSV)


# --- Folders ---


def _in_folder(root: Path) -> list[ListedStudy]:
    studies, others, unreadable, entered = [], 0, [], set()
    for folder, subfolders, names in os.walk(root, onerror=unreadable.append, followlinks=True):
        here = os.stat(folder)
        if (here.st_dev, here.st_ino) in entered:  # by a link that leads back
            subfolders.clear()
            continue
        entered.add((here.st_dev, here.st_ino))
        subfolders[:] = sorted(set(subfolders) - ({OVERLAYS} if MADE_BY in names else set()))
        films = [Path(folder) / name for name in sorted(names) if _is_film(Path(folder) / name)]
        others += len(names) - len(films)
        if Path(folder) == root:
            studies += [ListedStudy(film.name, (film,)) for film in films]
        elif films:
            studies.append(ListedStudy(Path(folder).relative_to(root).as_posix(), _in_view_order(films)))
    if unreadable:
        shown = summarise([str(error.filename) for error in unreadable], 'folder', 'folders')
        raise ValueError(f'{root}: cannot be read: {shown}. Get permission to read them, or leave them out.')
    if not studies:
        raise ValueError(f'{root}: no films in it; expected {", ".join(SUFFIXES)}, or DICOM files of any name.')
    if others:
        LOG.info('%s: %d files whose names are not those of films were skipped', root, others)
    return studies


def _is_film(path: Path) -> bool:
    if path.name.startswith('.') or path.name == 'DICOMDIR' or not path.is_file():
        return False
    return path.suffix.lower() in SUFFIXES or _is_unnamed_dicom(path)


def _is_unnamed_dicom(path: Path) -> bool:
    try:
        with path.open('rb') as file:
            return is_dicom(file)
    except OSError:
        return False


def _in_view_order(films: Sequence[Path]) -> tuple[Path, ...]:
    """Sorts films by name, with those last that are lateral by their name or DICOM view position."""
    return tuple(films) if len(films) == 1 else tuple(sorted(films, key=lambda film: (_is_lateral(film), film.name)))


def _is_lateral(film: Path) -> bool:
    if _LATERAL_NAME.search(film.stem):
        return True
    if not _is_unnamed_dicom(film):
        return False
    from camanet_jax.data import dicom  # most runs read none

    return dicom.is_lateral(film)


# --- CSV ---


def _in_csv(path: Path) -> list[ListedStudy]:
    studies, problems = [], []
    header, rows = read_csv(path)
    (id_index,) = column_indices(path, header, ('id',))
    path_indices = [index for index, name in enumerate(header) if name.startswith('image_path')]
    if not path_indices:
        raise ValueError(f'{path}: expected a column image_path (or image_path_1, ...), got {", ".join(header)}')
    for line, cells in rows:
        whole = len(cells) == len(header)
        names = [name.strip() for index in path_indices for name in cells[index].split(';')] if whole else []
        films = tuple(_beside(path, name) for name in names if name)
        if films and cells[id_index].strip():
            known = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
            studies.append(ListedStudy(cells[id_index].strip(), films, known))
        else:
            problems.append(f'line {line}')
    if problems:
        raise ValueError(
            f'{path}: no id, no image path, or another number of cells than the header has: '
            f'{summarise(problems, "line", "lines")}'
        )
    if not studies:
        raise ValueError(f'{path}: expected a row for each study, got a header alone')
    return studies


def _beside(table: Path, name: str) -> Path:
    """The path of a film of a CSV; a missing one is reported when it is read."""
    inner = table.parent / 'images' / name
    return inner if inner.is_file() else table.parent / name
