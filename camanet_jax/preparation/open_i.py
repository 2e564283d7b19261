"""Open-i's report XMLs of IU X-Ray, from the archive or unpacked."""

import collections
import dataclasses
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from pathlib import Path

REPORTS_ARCHIVE = 'NLMCXR_reports.tgz'
_REPORTS_FOLDER = 'ecgen-radiology'  # in the archive


@dataclasses.dataclass(frozen=True)
class OpenIReport:
    """One report, with the films that it names."""

    name: str  # of the report: CXR54
    findings: str  # '' where the section is empty
    films: tuple[str, ...]  # their ids in the XML's order: CXR54_IM-2145-1001, CXR54_IM-2145-1002

    @property
    def study_id(self) -> str:
        """R2Gen's id, CXR54_IM-2145: the first film's without its last part. '' without films."""
        return self.films[0].rpartition('-')[0] if self.films else ''


@dataclasses.dataclass(frozen=True)
class ArchiveCounts:
    """What an archive holds."""

    reports: int
    with_findings: int
    by_films: dict[int, int]  # number of films -> reports with FINDINGS and so many

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
    """All reports below a folder, in the order of their names.

    Args:
      source: holds NLMCXR_reports.tgz, or its XMLs at any depth.

    Raises:
      ValueError: there are neither, or an XML cannot be read.
    """
    reports = [_parse(name, content) for name, content in _xml_files(source)]
    return sorted(reports, key=lambda report: (len(report.name), report.name))


def _xml_files(source: Path) -> Iterator[tuple[str, bytes]]:
    archive = source / REPORTS_ARCHIVE
    if archive.is_file():
        try:
            with tarfile.open(archive, 'r|*') as members:
                for member in members:
                    if member.name.endswith('.xml'):
                        yield member.name, members.extractfile(member).read()
        except (tarfile.TarError, EOFError, OSError) as error:
            raise ValueError(f'{archive}: not a whole archive ({error}); download it again') from error
        return
    paths = list(source.rglob('*.xml'))
    if not paths:
        raise ValueError(f'{source}: expected {REPORTS_ARCHIVE}, or its folder {_REPORTS_FOLDER}/ with the XMLs')
    for path in paths:
        yield str(path), path.read_bytes()


def _parse(name: str, content: bytes) -> OpenIReport:
    try:
        root = ElementTree.fromstring(content)
        report_name = root.find('uId').get('id')
    except (ElementTree.ParseError, AttributeError) as error:
        raise ValueError(f"{name}: not one of Open-i's report XMLs ({error})") from error
    sections = {section.get('Label'): section.text or '' for section in root.iter('AbstractText')}
    findings = sections.get('FINDINGS', '')
    films = tuple(film.get('id') for film in root.iter('parentImage'))
    return OpenIReport(report_name, findings if findings.strip() else '', films)
