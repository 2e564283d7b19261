"""Reports of a data folder's annotation.json, for scoring. No film is opened."""

import re
from pathlib import Path
from typing import NamedTuple

from camanet_jax.data.schema import SPLITS, summarise
from camanet_jax.labeling.report_files import annotated_reports


class DataFolder(NamedTuple):
    """An annotation's reports, as written.

    Attributes:
      path: of annotation.json.
      reports: split -> (id, report) of every entry; entries may share a report.
    """

    path: Path
    reports: dict[str, list[tuple[str, str]]]

    def texts(self, split: str) -> list[str]:
        """The reports of a split."""
        return [report for _, report in self.reports[split]]

    def by_id(self, split: str) -> dict[str, str]:
        """The reports of a split by study."""
        found: dict[str, str] = {}
        for study_id, report in self.reports[split]:
            if found.setdefault(study_id, report) != report:
                raise ValueError(
                    f'{self.path}: {study_id} has two different reports in {split}; which one is the '
                    'reference? Give --references.'
                )
        return found

    def split_of(self, ids: set[str]) -> str:
        """The split that most of these studies are in.

        Raises:
          ValueError: none of them is in any.
        """
        shared = {split: len(ids & {study_id for study_id, _ in rows}) for split, rows in self.reports.items()}
        split = max(shared, key=shared.__getitem__)
        if not shared[split]:
            theirs = next((rows[0][0] for rows in self.reports.values() if rows), 'none')
            raise ValueError(
                f'{self.path}: expected the studies that were predicted, got none of them; its ids look '
                f'like {theirs}, those of the predictions like {min(ids)}.'
            )
        return split

    def is_mimic_cxr(self) -> bool:
        """True where the ids are MIMIC-CXR's: film names of five groups of hexadecimal digits, or studies s + 8."""
        ids = [study_id for rows in self.reports.values() for study_id, _ in rows[:100]]
        return bool(ids) and all(re.fullmatch(r's?\d{8}|[0-9a-f]{8}(-[0-9a-f]{8}){4}', study_id) for study_id in ids)


def read_data_folder(path: Path) -> DataFolder:
    """Reads a folder with annotation.json, or that file.

    Raises:
      ValueError: there is none, it is something else, or its train split is empty.
    """
    path = path / 'annotation.json' if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f'{path}: no such file; --data takes a folder with annotation.json')
    folder = DataFolder(path, {split: list(annotated_reports(path, (split,))) for split in SPLITS})
    if not folder.reports['train']:
        raise ValueError(f'{path}: expected train reports, which give the vocabulary; got none.')
    if wrong := [study_id for rows in folder.reports.values() for study_id, text in rows if not isinstance(text, str)]:
        raise ValueError(f'{path}: expected reports as text, got others in {summarise(wrong, "study", "studies")}')
    return folder
