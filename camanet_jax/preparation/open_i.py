"""Open-i's reports and films of IU X-Ray, from the archives or unpacked."""

import collections
import dataclasses
import logging
import os
import shutil
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Sequence
from pathlib import Path

from camanet_jax.data.schema import DETAILS
from camanet_jax.labeling.openi_index import report_trees
from camanet_jax.preparation.folder import require_space
from camanet_jax.preparation.sections import patient_details
from camanet_jax.run.files import replacing
from camanet_jax.run.progress import Progress

LOG = logging.getLogger(__name__)

FILMS_ARCHIVE = 'NLMCXR_png.tgz'


@dataclasses.dataclass(frozen=True)
class OpenIReport:
    """One report, with the films that it names."""

    name: str  # e.g. CXR54
    findings: str  # '' where the section is empty
    films: tuple[str, ...]  # ids in the XML's order: CXR54_IM-2145-1001, CXR54_IM-2145-1002
    details: dict[str, str]  # those of `schema.DETAILS` that are not empty

    @property
    def study_id(self) -> str:
        """R2Gen's id, CXR54_IM-2145: the first film's id without its last part; '' without films."""
        return self.films[0].rpartition('-')[0] if self.films else ''


@dataclasses.dataclass(frozen=True)
class ArchiveCounts:
    """The counts of an archive's reports."""

    reports: int
    with_findings: int
    by_films: dict[int, int]  # from a number of films to the number of reports with FINDINGS and so many films

    @classmethod
    def of(cls, reports: Sequence[OpenIReport]) -> 'ArchiveCounts':
        """Counts the reports of an archive."""
        described = [report for report in reports if report.findings]
        by_films = collections.Counter(len(report.films) for report in described)
        return cls(len(reports), len(described), dict(sorted(by_films.items())))

    def __str__(self) -> str:
        films = ', '.join(f'{count:,} with {number}' for number, count in self.by_films.items())
        return f'{self.reports:,} reports, {self.with_findings:,} with FINDINGS; of these, by films: {films}'


WHOLE_ARCHIVE = ArchiveCounts(3955, 3425, {0: 88, 1: 382, 2: 2790, 3: 150, 4: 14, 5: 1})


def read_reports(source: Path) -> list[OpenIReport]:
    """Reads all reports of a folder (`report_trees`), in the order of their names."""
    reports = [_parse(name, root) for name, root in report_trees(source)]
    return sorted(reports, key=lambda report: (len(report.name), report.name))


def _parse(name: str, root: ElementTree.Element) -> OpenIReport:
    report_id = root.find('uId')
    if report_id is None:
        raise ValueError(f"{name}: not one of Open-i's report XMLs (it has no uId)")
    sections = {section.get('Label'): section.text or '' for section in root.iter('AbstractText')}
    details = {name: text for name in DETAILS if (text := sections.get(name.upper(), '')).strip()}
    films = tuple(film.get('id') for film in root.iter('parentImage'))
    details |= patient_details(details.get('indication', ''))
    return OpenIReport(report_id.get('id'), details.get('findings', ''), films, details)


def locate_films(source: Path, output: Path, wanted: Collection[str]) -> tuple[Path, dict[str, str]]:
    """Returns the folder of the wanted films, and the path in it of each film that exists.

    Films below `source` are used in place. Otherwise those of the archive are unpacked into `output`/images, except
    for films that an earlier run has unpacked.

    Args:
      source: a folder with NLMCXR_png.tgz, or with its PNGs at any depth.
      output: the folder that is being prepared.
      wanted: ids of films, such as CXR54_IM-2145-1001.
    """
    paths = _find_pngs(source, without=output)
    archive = source / FILMS_ARCHIVE
    if archive.is_file() and not paths.keys() >= set(wanted):
        images_dir = output / 'images'
        _unpack(archive, images_dir, wanted)
        return images_dir, _find_pngs(images_dir)
    if not paths and not archive.is_file():
        raise ValueError(f'{source}: expected {FILMS_ARCHIVE}, or its films (CXR*.png) in a folder')
    return source, paths


def _find_pngs(folder: Path, without: Path | None = None) -> dict[str, str]:
    paths = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if without is None or Path(parent, name).resolve() != without.resolve()]
        relative = Path(parent).relative_to(folder)
        paths |= {Path(name).stem: str(relative / name) for name in files if name.endswith('.png')}
    return paths


def _unpack(archive: Path, images_dir: Path, wanted: Collection[str]) -> None:
    images_dir.mkdir(parents=True, exist_ok=True)
    missing = set(wanted) - _find_pngs(images_dir).keys()
    if not missing:
        return
    # PNGs cannot be compressed further, so the archive has about their size.
    require_space(archive.stat().st_size * len(missing) // len(wanted), images_dir, f'films from {archive.name}')
    with Progress(f'Unpacking {archive.name}', len(wanted), len(wanted) - len(missing)) as progress:
        try:
            with tarfile.open(archive, 'r|*') as members:
                for member in members:
                    film = Path(member.name)
                    if member.isfile() and film.suffix == '.png' and film.stem in missing:
                        with replacing(images_dir / film.name) as temporary, temporary.open('wb') as file:
                            shutil.copyfileobj(members.extractfile(member), file)
                        progress.advance()
        except (tarfile.TarError, EOFError, OSError) as error:
            raise ValueError(f'{archive}: cannot be unpacked ({error})') from error
