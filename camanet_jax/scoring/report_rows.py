"""Files that reports are read from: a row per study, or a data folder's annotation.json. No film is opened.

Rows are JSON lines (ours, {"id", "report", ...}) or CSV (id, report, ...), both plain or gzipped, Parquet, or
ReXrank's JSON. Other harnesses' names are read too: study_id or sample_id, findings or hypothesis, reference.
"""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from camanet_jax.data.rexrank import PREDICTION, SECTIONS, patient_context, prediction, read_rexrank, reference
from camanet_jax.data.schema import SPLITS, annotated_patients, annotated_reports, patient_of, summarise
from camanet_jax.run.files import is_missing, read_csv, read_parquet, read_text

LOG = logging.getLogger(__name__)

Rows = dict[str, dict[str, Any]]  # id -> the row's fields, in the file's order

IDS = ('id', 'study_id', 'sample_id')
REPORT = ('report', 'hypothesis', 'findings')
REFERENCE = ('reference_raw', 'reference_full', 'reference')  # as written, else cleaned and whole, else what there is


def read_rows(path: Path, section: str = SECTIONS[0]) -> Rows:
    """Rows by id. Lines may end in CR LF and the file may begin with a byte order mark.

    Args:
      section: the part of a ReXrank file's reports that is compared: 'findings', or 'both' with the impression.

    Raises:
      ValueError: no such file, not UTF-8, another layout, rows without an id, or ids that repeat; problems are listed.
    """
    if not path.is_file():
        raise ValueError(f'{path}: no such file; expected JSON lines or a CSV with id and report')
    if path.suffix == '.json':
        return _rexrank_rows(path, section)
    if path.suffix == '.parquet':
        return _by_id(path, enumerate(read_parquet(path), 1))
    text = read_text(path)
    first = text.lstrip()[:1]
    if first == '[':
        raise ValueError(
            f'{path}: expected JSON lines, an object {{"id": .., "report": ..}} in each, or a CSV with '
            'the columns id and report; got a JSON document.'
        )
    return _by_id(path, _json_lines(path, text) if first == '{' else _csv_lines(path, text))


def _rexrank_rows(path: Path, section: str) -> Rows:
    """A reference that is '' has none of the sections; a report that was not written is None."""
    return {
        study_id: {
            'id': study_id,
            'reference_raw': reference(study, section),
            'report': prediction(study, section),
            'context': patient_context(study),
            'patient': patient_of(study),
        }
        for study_id, study in read_rexrank(path).items()
    }


def _by_id(path: Path, lines: Iterable[tuple[int, Mapping[str, Any]]]) -> Rows:
    rows, problems = {}, []
    for line, row in lines:
        study_id = _id(next((row[name] for name in IDS if name in row), None))
        if not study_id:
            problems.append(f'line {line} has no id')
        elif study_id in rows:
            problems.append(f'line {line} repeats id {study_id}')
        rows[study_id] = row
    if problems or not rows:
        faults = summarise(problems, 'problem', 'problems') if problems else 'no rows'
        raise ValueError(f'{path}: expected one row per study, each with an id of its own; got {faults}.')
    return rows


def texts(rows: Rows, path: Path, names: Sequence[str]) -> dict[str, str]:
    """{id: text}, from the first of the named fields that a row has.

    Raises:
      ValueError: rows have none of the fields, or something else than text in it; they are listed.
    """
    text_of = {
        study_id: next((row[name] for name in names if row.get(name) is not None), None)
        for study_id, row in rows.items()
    }
    if without := [study_id for study_id, text in text_of.items() if not isinstance(text, str)]:
        raise ValueError(
            f'{path}: expected text under {" or ".join(names)} in every row (an empty report is ""), got '
            f'none in {summarise(without, "row", "rows")}.'
        )
    if blank := [study_id for study_id, text in text_of.items() if text.strip() and is_missing(text)]:
        raise ValueError(
            f'{path}: expected reports, got what tables write into empty cells (such as {text_of[blank[0]]!r}) in '
            f'{summarise(blank, "row", "rows")}; an empty report is "".'
        )
    return text_of


def reports_of(rows: Rows, path: Path) -> dict[str, str]:
    """{id: report}; in a ReXrank file where some studies have predictions, one without counts as an empty report."""
    if path.suffix == '.json':
        without = [study_id for study_id, row in rows.items() if row['report'] is None]
        if 0 < len(without) < len(rows):
            count = summarise(without, 'study', 'studies')
            LOG.warning('%s: no %s in %s; empty reports take their place.', path, PREDICTION, count)
            rows = rows | {study_id: {'report': ''} for study_id in without}
    return texts(rows, path, REPORT)


def as_written(rows: Rows) -> bool:
    """Tells whether the references in these rows are as written: a run's `reference_full` is cleaned."""
    return all('reference_raw' in row or 'reference_full' not in row for row in rows.values())


def _id(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # study numbers, written as such
    return value.strip() if isinstance(value, str) else ''


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(re.split('\r\n?|\n', text), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f'{path}: line {number} is not JSON ({error})') from error
        if not isinstance(row, dict):
            raise ValueError(f'{path}: expected an object in line {number}, got {type(row).__name__}')
        yield number, row


def _csv_lines(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    header, rows = read_csv(path, text)
    if not set(IDS) & set(header) or len(set(header)) < len(header):
        raise ValueError(
            f'{path}: expected columns of different names, {" or ".join(IDS)} among them, separated by commas; got '
            f'{", ".join(header) or "an empty file"}.'
        )
    for line, row in rows:
        if len(row) != len(header):
            raise ValueError(
                f'{path}: expected {len(header)} cells, got {len(row)} in line {line}; quote reports that hold commas.'
            )
        yield line, dict(zip(header, row, strict=True))


class DataFolder(NamedTuple):
    """An annotation's reports, as written.

    Attributes:
      path: of annotation.json.
      reports: split -> (id, report) of every entry; entries may share a report.
      patients: id -> patient, where it is known.
    """

    path: Path
    reports: dict[str, list[tuple[str, str]]]
    patients: Mapping[str, str] = MappingProxyType({})

    def texts(self, split: str) -> list[str]:
        """The reports of a split."""
        return [report for _, report in self.reports[split]]

    def by_id(self, split: str) -> dict[str, str]:
        """The reports of a split by study."""
        report_of: dict[str, str] = {}
        for study_id, report in self.reports[split]:
            if report_of.setdefault(study_id, report) != report:
                raise ValueError(
                    f'{self.path}: {study_id} has two different reports in {split}; which one is the '
                    'reference? Give --references.'
                )
        return report_of

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
    reports = {split: list(annotated_reports(path, (split,))) for split in SPLITS}
    folder = DataFolder(path, reports, annotated_patients(path))
    if not folder.reports['train']:
        raise ValueError(f'{path}: expected train reports, which give the vocabulary; got none.')
    if wrong := [study_id for rows in folder.reports.values() for study_id, text in rows if not isinstance(text, str)]:
        raise ValueError(f'{path}: expected reports as text, got others in {summarise(wrong, "study", "studies")}')
    return folder
