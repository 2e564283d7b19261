"""MIMIC-CXR's report texts, in the zip or unpacked."""

import functools
import zipfile
from pathlib import Path

REPORTS_ARCHIVE = 'mimic-cxr-reports.zip'


class MimicReports:
    """Reads the report of a study: files/p10/p10NNNNNN/sNNNNNNNN.txt."""

    def __init__(self, source: Path):
        """Finds the reports; none is read yet.

        Args:
          source: mimic-cxr-reports.zip, a folder that holds it, or one that holds its `files`.

        Raises:
          ValueError: there are no reports.
        """
        places = (source, source / REPORTS_ARCHIVE, source / REPORTS_ARCHIVE.removesuffix('.zip'))
        self._archive = next((place for place in places if place.is_file()), None)
        folders = [place / 'files' for place in places if (place / 'files').is_dir()]
        folders += [place for place in places if any(place.glob('p1*/p1*'))]
        # MIMIC-CXR-JPG has a folder `files` too, with films in it.
        self._folder = next((folder for folder in folders if any(folder.glob('p1*/p1*/s*.txt'))), None)
        if not (self._archive or self._folder):
            raise ValueError(
                f'{source}: expected {REPORTS_ARCHIVE} or its folder files/ with the texts of MIMIC-CXR '
                '(they are not part of MIMIC-CXR-JPG); name them with --reports'
            )

    def read(self, subject_id: str, study_id: str) -> str | None:
        """The text, or None where there is none."""
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
