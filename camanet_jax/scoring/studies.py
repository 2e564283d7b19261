"""Predictions, references and label files, brought together by study."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from camanet_jax.data.rexrank import SECTIONS
from camanet_jax.data.schema import SPLITS, label_row, patient_of, summarise
from camanet_jax.labeling.label_files import read_label_csv, read_label_json
from camanet_jax.metrics.protocol import CLEANED
from camanet_jax.metrics.scorer import ReportLabels
from camanet_jax.metrics.scores import in_order
from camanet_jax.run.files import read_csv
from camanet_jax.scoring.report_rows import (
    IDS,
    REFERENCE,
    REPORT,
    DataFolder,
    Rows,
    as_written,
    read_rows,
    reports_of,
    texts,
)


class Studies(NamedTuple):
    """The studies that are scored.

    Attributes:
      predictions: {"id", "report", "reference_full"} per study, by id, and "reference_raw" where the references are
        as written; "patient", None where it is not known.
      split: of the data set; None where it is unknown.
      references: where they come from.
      order: ids in the order of the predictions file.
      left_out: ids of studies whose report, in a ReXrank file, has none of the sections that are compared.
      contexts: age and indication by id, from a ReXrank file.
    """

    predictions: list[dict[str, Any]]
    split: str | None
    references: str
    order: list[str]
    left_out: list[str]
    contexts: dict[str, dict[str, str] | None]

    @property
    def ids(self) -> list[str]:
        """The studies, in order."""
        return [row['id'] for row in self.predictions]

    @property
    def reports(self) -> list[str]:
        """The reports, in the order of `ids`."""
        return [row['report'] for row in self.predictions]

    @property
    def whole_references(self) -> list[str]:
        """The references, in the order of `ids`."""
        return [row['reference_full'] for row in self.predictions]


def pair_studies(
    path: Path,
    references: Path | None,
    folder: DataFolder | None,
    split: str | None,
    protocol: str,
    section: str = SECTIONS[0],
) -> Studies:
    """References from the file given, else from the predictions' own rows, else from the data folder's split.

    Under `raw` only references as written are taken.

    Raises:
      ValueError: there are none, or predictions and references are not of the same studies.
    """
    rows = read_rows(path, section)
    theirs, of = (read_rows(references, section), references) if references else (rows, path)
    left_out = [study_id for study_id, row in theirs.items() if of.suffix == '.json' and not row['reference_raw']]
    rows, theirs = ({key: row for key, row in side.items() if key not in left_out} for side in (rows, theirs))
    reports = reports_of(rows, path)
    fields = (*REFERENCE, *REPORT) if references else REFERENCE  # a file of references may call them reports
    expected, source, written = find_references(theirs, of, fields, folder, split, protocol)
    same_studies(expected, reports, source, str(path))
    names = ('reference_full', 'reference_raw') if written else ('reference_full',)
    patients = folder.patients if folder else {}
    predictions = [
        {'id': study_id, 'report': reports[study_id], **dict.fromkeys(names, reference)}
        | {'patient': patient_of(rows[study_id]) or patient_of(theirs.get(study_id, {})) or patients.get(study_id)}
        for study_id, reference in expected.items()
    ]
    contexts = {name: row['context'] for name, row in theirs.items()} if of.suffix == '.json' else {}
    split = split or split_of(expected, path, folder)
    return Studies(in_order(predictions), split, source, list(rows), left_out, contexts)


def find_references(
    rows: Rows, path: Path, fields: Sequence[str], folder: DataFolder | None, split: str | None, protocol: str
) -> tuple[dict[str, str], str, bool]:
    """{id: whole reference} from the rows, else from the data folder; where it is from; whether it is as written."""
    here = any(field in row for row in rows.values() for field in fields)
    if here and (protocol in CLEANED or as_written(rows)):
        return texts(rows, path, fields), str(path), as_written(rows)
    if folder is None:
        got = 'holds cleaned references' if here else 'holds no references'
        raise ValueError(
            f'{path} {got}; the protocol {protocol} needs {"some" if protocol in CLEANED else "them as written"}. '
            'Give --references FILE (id, report), or --data DIR with annotation.json.'
        )
    split = split or folder.split_of(set(rows))
    return folder.by_id(split), f'{folder.path}, split {split}', True


def same_studies(expected: Iterable[str], got: Iterable[str], source: str, path: str) -> None:
    """Raises a ValueError naming the studies that only one side has."""
    expected, got = set(expected), set(got)
    faults = [
        summarise(sorted(ids), f'is {what}', f'are {what}')
        for ids, what in ((expected - got, 'missing'), (got - expected, 'unknown'))
        if ids
    ]
    if faults:
        raise ValueError(
            f'{path}: expected the {len(expected)} studies of {source}, got {len(got)}. '
            f'{". ".join(faults)}. A study for which no report was written needs a row with an empty one.'
        )


def split_of(ids: Iterable[str], path: Path, folder: DataFolder | None) -> str | None:
    """The split that all these studies are in, or that a run's file is named for."""
    if folder is not None:
        return next((split for split in SPLITS if set(ids) <= {name for name, _ in folder.reports[split]}), None)
    return path.stem if path.stem in SPLITS else None


def read_labels(path: Path | None, ids: Sequence[str]) -> ReportLabels | None:
    """The rows of these studies, in order: binary ones from JSON, all four values from a CSV.

    Raises:
      ValueError: the file is no label file, or lacks studies; they are listed.
    """
    if path is None:
        return None
    if not path.is_file():
        raise ValueError(f'{path}: no such file; expected label rows by study, JSON or CSV')
    binary = path.suffix == '.json'
    labels = read_label_json(path) if binary else read_label_csv(path, _id_column(path))
    rows = [label_row(study_id, labels, open_i=True) for study_id in ids]
    if missing := [study_id for study_id, row in zip(ids, rows, strict=True) if row is None]:
        raise ValueError(
            f'{path}: expected labels of all {len(ids)} studies, got none of {summarise(missing, "study", "studies")}.'
        )
    return ReportLabels(np.array(rows, np.int8), path.name, binary)


def _id_column(path: Path) -> str:
    header, _ = read_csv(path)
    return next((name for name in IDS if name in header), IDS[0])
