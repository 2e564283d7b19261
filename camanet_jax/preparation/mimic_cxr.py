"""MIMIC-CXR: from the films and tables of MIMIC-CXR-JPG and the texts of MIMIC-CXR to studies.

The samples are those of R2Gen's annotation (one for each of 270,790/2,130/3,858 films) or, from the raw texts and the
official split, one for each film, or one for each study with its films, frontal first.
"""

import collections
import dataclasses
import itertools
import logging
import operator
import re
from collections.abc import Iterator
from pathlib import Path

from camanet_jax.data.schema import SPLITS, Study
from camanet_jax.preparation.folder import Collected, read_r2gen_entries
from camanet_jax.preparation.mimic_reports import MimicReports, read_sections
from camanet_jax.preparation.sections import SECTIONS, patient_details, with_section
from camanet_jax.run.files import read_columns
from camanet_jax.run.progress import tracked

LOG = logging.getLogger(__name__)

_SPLITS = {'train': 'train', 'validate': 'val', 'test': 'test'}  # the official names, and ours
# The order of a study's films: frontal first, the better kind of frontal before the other.
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
        """The file's path below the folder `files`."""
        return f'p{self.subject_id[:2]}/p{self.subject_id}/s{self.study_id}/{self.dicom_id}.jpg'

    @property
    def rank(self) -> int:
        """The position of the view among a study's."""
        return _VIEW_ORDER.index(self.view) if self.view in _VIEW_ORDER else len(_VIEW_ORDER)


def read_films(source: Path, views: str) -> list[Film]:
    """Reads the films of the chosen views, in the order of the split table.

    Args:
      source: a folder with mimic-cxr-2.x-split.csv.gz and -metadata.csv.gz, gzipped or not.
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
    """The path of a table ('split', 'metadata', 'chexpert', 'negbio') of any release 2.x."""
    tables = sorted(source.glob(f'mimic-cxr-2.*-{name}.csv')) + sorted(source.glob(f'mimic-cxr-2.*-{name}.csv.gz'))
    if not tables:
        raise ValueError(f'{source}: expected mimic-cxr-2.0.0-{name}.csv.gz, as MIMIC-CXR-JPG ships it')
    return tables[-1]


def _rows(path: Path, *columns: str) -> Iterator[tuple[str, ...]]:
    return (tuple(map(str.strip, row)) for row in read_columns(path, columns))


SAMPLES = ('image', 'study')
R2GEN_COUNTS = {'train': 270790, 'val': 2130, 'test': 3858}
_STUDY_IN_PATH = re.compile(r'(?:^|/)s(\d+)/')


def collect_mimic_cxr(
    source: Path,
    *,
    reports: Path | None = None,
    annotation: Path | None = None,
    samples: str = 'image',
    views: str = 'all',
    section: str = SECTIONS[0],
) -> Collected:
    """Collects the studies, without labels.

    Args:
      source: MIMIC-CXR-JPG's folder, with files/ and the tables.
      reports: MIMIC-CXR's texts (`MimicReports`), by default in `source`.
      annotation: R2Gen's annotation.json, whose samples, texts and split are taken instead.
      samples: 'image', one sample for each film as in R2Gen, or 'study'.
      views: the views of the films, a key of `VIEW_CHOICES`.
      section: the target, one of `SECTIONS`; studies that lack it are left out. R2Gen's annotation has findings only.

    Raises:
      ValueError: files are missing or malformed.
    """
    images_dir = source / 'files'
    if not images_dir.is_dir():
        raise ValueError(f"{source}: expected MIMIC-CXR-JPG's folder files/ (files/p10/p10.../s.../*.jpg) in it")
    if annotation:
        if section != SECTIONS[0]:
            raise ValueError(f'{annotation}: expected --section={SECTIONS[0]}, which is all it holds, got {section}')
        studies = _read_r2gen(annotation)
        return Collected(
            studies, images_dir, {'data_set': 'MIMIC-CXR', 'split': 'R2Gen', 'samples': 'image', 'section': section}
        )
    if samples not in SAMPLES:
        raise ValueError(f'expected samples as one of {SAMPLES}, got {samples!r}')
    films = read_films(source, views)
    details = _read_details(films, MimicReports(reports or source))
    make = _sample_per_image if samples == 'image' else _sample_per_study
    studies = sorted(make(films, details), key=lambda study: SPLITS.index(study.split))
    studies = with_section(studies, section, source)
    facts = {'data_set': 'MIMIC-CXR', 'split': 'official', 'samples': samples, 'views': views, 'section': section}
    return Collected(studies, images_dir, facts)


def study_number(study: Study) -> str:
    """MIMIC-CXR's study_id of a sample, from its first film's path."""
    match = _STUDY_IN_PATH.search(study.image_paths[0])
    if not match:
        raise ValueError(f'{study.id}: expected a path like p10/p10.../s.../*.jpg, got {study.image_paths[0]!r}')
    return match[1]


def _read_details(films: list[Film], reports: MimicReports) -> dict[str, dict[str, str]]:
    """Reads the sections of every report by study_id, and what they tell of the patient, and logs the counts."""
    counts, details = collections.Counter(), {}
    studies = {film.study_id: film.subject_id for film in films}
    for study_id, subject_id in tracked(studies.items(), 'Reading reports', len(studies)):
        report = reports.read(subject_id, study_id)
        sections = read_sections(report or '')
        counts['none' if report is None else 'with' if 'findings' in sections.texts else 'without'] += 1
        counts['both'] += sections.findings_with_impression
        details[study_id] = sections.texts | patient_details(sections.texts.get('indication', ''))
    LOG.info(
        '%d reports have FINDINGS (%d of them under one heading with the IMPRESSION), %d have none; %d studies have no '
        'report file',
        *(counts[key] for key in ('with', 'both', 'without', 'none')),
    )
    return details


def _study(name: str, films: list[Film], details: dict[str, dict[str, str]]) -> Study:
    """A sample of these films, which are of one study; its section is chosen later."""
    views = {'view': tuple(film.view for film in films)}
    paths = tuple(film.path for film in films)
    return Study(name, films[0].split, '', None, paths, details=details[films[0].study_id] | views)


def _sample_per_image(films: list[Film], details: dict[str, dict[str, str]]) -> Iterator[Study]:
    for film in films:
        yield _study(film.dicom_id, [film], details)


def _sample_per_study(films: list[Film], details: dict[str, dict[str, str]]) -> Iterator[Study]:
    by_study = operator.attrgetter('study_id')
    for study_id, of_study in itertools.groupby(sorted(films, key=by_study), by_study):
        yield _study(study_id, sorted(of_study, key=lambda film: film.rank), details)


def _read_r2gen(annotation: Path) -> list[Study]:
    studies = [
        Study(entry['id'], split, entry['report'], None, tuple(entry['image_path']))
        for split, entry in read_r2gen_entries(annotation)
    ]
    counts = collections.Counter(study.split for study in studies)
    LOG.info('%s: %s samples', annotation, '/'.join(f'{counts[split]:,}' for split in SPLITS))
    if counts != R2GEN_COUNTS:
        LOG.warning("R2Gen's published set has %s samples", '/'.join(f'{count:,}' for count in R2GEN_COUNTS.values()))
    return studies
