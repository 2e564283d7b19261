"""MIMIC-CXR's report texts, in the zip or unpacked, and their sections.

A report is plain text with headings. A heading stands at the start of a line, usually after one space, in capitals and
with a colon. Exceptions occur:
 * misspelt or singular: FINDNGS, FINDING; in mixed case: 'Findings:'; alone on its line, without a colon
 * one section for both: FINDINGS AND IMPRESSION, FINDINGS/IMPRESSION: taken as FINDINGS
 * several FINDINGS in one report (addenda, corrected readings): the last that is not empty is taken
 * IMPRESSION in the middle of a line: it ends the FINDINGS
 * headings within the findings (HEART:, LUNGS:): they belong to the text
A report with an unnamed paragraph instead of such a heading has no FINDINGS here: nothing is guessed.
"""

import dataclasses
import difflib
import functools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

# Words that tell the heading of a section from that of an organ.
_SECTION_WORDS = frozenset(
    'addendum attestation clinical comment comments comparison comparisons conclusion date dictated exam examination '
    'history impression indication indications information notification opinion procedure protocol reason '
    'recommendation recommendations summary technique wet'.split()
)
_FINDINGS, _IMPRESSION = 'findings', 'impression'
_SPELLING = 0.8  # difflib's ratio from which a word is a misspelling

_HEADING = re.compile(r'^[ \t]*([A-Za-z][A-Za-z ()/,&.\-]{2,60}?)[ \t]*:', re.MULTILINE)
_BARE_HEADING = re.compile(r'^[ \t]*(FINDINGS?|IMPRESSION)[ \t]*$', re.MULTILINE)
_INNER_IMPRESSION = re.compile(r'(?<=\s)(IMPRESSION)[ \t]*:')


# Words of the headings of other sections than FINDINGS, which comes before them.
_OTHERS = {
    'impression': {'impression', 'conclusion'},
    'indication': {'indication', 'indications', 'history', 'reason'},
    'comparison': {'comparison', 'comparisons'},
}


@dataclasses.dataclass(frozen=True)
class Sections:
    """The sections of one report."""

    # Those that exist, by name (findings, impression, indication, comparison), with the report's own line breaks.
    texts: dict[str, str]
    findings_with_impression: bool = False  # whether the heading of the findings names both


def read_sections(report: str) -> Sections:
    """The sections of a report; of several with one name, such as those of addenda, the last that is not empty."""
    report = report.replace('\r\n', '\n')
    headings = list(_section_headings(report))
    ends = [start for start, _, _ in headings[1:]] + [len(report)]
    texts, both = {}, False
    for (_, text_start, words), end in zip(headings, ends, strict=False):
        text = report[text_start:end].strip()
        name = _FINDINGS if _FINDINGS in words else next((name for name, of in _OTHERS.items() if words & of), None)
        if name and re.search(r'\w', text.replace('_', '')):
            texts[name] = text
            both = _IMPRESSION in words if name == _FINDINGS else both
    return Sections(texts, both)


def _section_headings(report: str) -> Iterator[tuple[int, int, frozenset[str]]]:
    """The starts of each heading and of its text, in order, and the heading's words, spelt right."""
    matches = [match for pattern in (_HEADING, _BARE_HEADING, _INNER_IMPRESSION) for match in pattern.finditer(report)]
    last_end = 0
    for match in sorted(matches, key=lambda match: match.start(1)):
        words = frozenset(map(_spelt_right, re.findall(r'[a-z]+', match.group(1).lower())))
        if match.start(1) >= last_end and _is_section(match.group(1), words):
            last_end = match.end()
            yield match.start(1), match.end(), words


def _is_section(heading: str, words: frozenset[str]) -> bool:
    if heading.isupper():
        return bool(words & (_SECTION_WORDS | {_FINDINGS}))
    # In mixed case only the plain names are headings: "The findings were discussed: ..." is text.
    return words <= {_FINDINGS, _IMPRESSION, 'and'} and heading[0].isupper()


def _spelt_right(word: str) -> str:
    close = difflib.get_close_matches(word, (_FINDINGS, _IMPRESSION), n=1, cutoff=_SPELLING)
    return close[0] if close else word


REPORTS_ARCHIVE = 'mimic-cxr-reports.zip'


class MimicReports:
    """Reads the report of a study: files/p10/p10NNNNNN/sNNNNNNNN.txt."""

    def __init__(self, source: Path):
        """Locates the reports in mimic-cxr-reports.zip, a folder with it, or one with its `files`; reads none yet.

        Raises:
          ValueError: there are no reports.
        """
        roots = (source, source / REPORTS_ARCHIVE, source / REPORTS_ARCHIVE.removesuffix('.zip'))
        self._archive = next((root for root in roots if root.is_file()), None)
        # MIMIC-CXR-JPG has a folder `files` too, with films in it.
        folders = [folder for root in roots for folder in (root / 'files', root)]
        self._folder = next((folder for folder in folders if any(folder.glob('p1*/p1*/s*.txt'))), None)
        if not (self._archive or self._folder):
            raise ValueError(
                f'{source}: expected {REPORTS_ARCHIVE} or its folder files/ with the texts of MIMIC-CXR '
                '(they are not part of MIMIC-CXR-JPG); name them with --reports'
            )

    def read(self, subject_id: str, study_id: str) -> str | None:
        """Reads the text of a report, or returns None where there is none."""
        name = f'p{subject_id[:2]}/p{subject_id}/s{study_id}.txt'
        if self._folder:
            path = self._folder / name
            return path.read_text(encoding='utf-8', errors='replace') if path.is_file() else None
        member = self._members.get(name)
        return None if member is None else self._zip.read(member).decode('utf-8', errors='replace')

    @functools.cached_property
    def _zip(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._archive)
        except zipfile.BadZipFile as error:
            raise ValueError(f'{self._archive}: not a whole zip ({error}); download it again') from error

    @functools.cached_property
    def _members(self) -> dict[str, zipfile.ZipInfo]:
        return {'/'.join(Path(member.filename).parts[-3:]): member for member in self._zip.infolist()}
