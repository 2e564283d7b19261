"""Own data: checked in one pass, then studies."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from camanet_jax.data.schema import SPLITS, Study
from camanet_jax.labeling.label_files import VALUES, replaced
from camanet_jax.labeling.label_values import positives
from camanet_jax.preparation.folder import Collected, count_splits
from camanet_jax.preparation.own_folder import Row, read_rows
from camanet_jax.preparation.validation import as_text, find_problems, patient_of

LOG = logging.getLogger(__name__)

VALIDATION_FILE = 'validation.json'


def collect_own(
    source: Path,
    output: Path,
    *,
    table: Path | None = None,
    patient_rule: str = '',
    decode_images: bool = True,
    uncertain: str = 'negative',
) -> Collected:
    """The studies of a folder in which no fault was found.

    Args:
      source: holds annotation.json or a CSV (`own_folder.read_rows`), and the images, in `images` or beside it.
      output: gets `validation.json`, every fault by kind.
      table: the annotation.json or CSV, where it lies elsewhere or there are several.
      patient_rule: finds the patient in a study id; for data without a patient column.
      decode_images: whether every image is decoded.
      uncertain: how to count uncertain labels.

    Raises:
      ValueError: there are faults; all are listed.
    """
    rows = read_rows(source, table)
    if not rows:
        raise ValueError(f'{table or source}: no studies in it')
    images_dir = _find_images(rows, source)
    problems = find_problems(rows, images_dir, patient_rule, decode_images)
    with replaced(output / VALIDATION_FILE) as file:
        json.dump(problems, file, indent=2, ensure_ascii=False)
    if problems:
        count = sum(map(len, problems.values()))
        raise ValueError(
            f'{table or source}: {count} faults in {len(rows)} studies; all are in '
            f'{output / VALIDATION_FILE}\n{as_text(problems)}'
        )
    studies = _studies(rows, uncertain)
    _log_summary(rows, studies, patient_rule, decode_images)
    return Collected(studies, images_dir, {'data_set': source.resolve().name})


def _find_images(rows: Sequence[Row], source: Path) -> Path:
    """`source`/images where at least one path leads to a file from there, else `source`."""
    inner = source / 'images'
    return inner if any((inner / path).is_file() for row in rows for path in row.image_paths) else source


def _studies(rows: Sequence[Row], uncertain: str) -> list[Study]:
    labels = [None] * len(rows)
    if rows[0].labels is not None:
        values = np.array([[VALUES[str(value)] for value in row.labels] for row in rows], np.int8)
        labels = [tuple(row) for row in positives(values, uncertain).tolist()]
    studies = [
        Study(row.id, row.split, row.report, label, row.image_paths) for row, label in zip(rows, labels, strict=True)
    ]
    return sorted(studies, key=lambda study: SPLITS.index(study.split))


def _log_summary(rows: Sequence[Row], studies: Sequence[Study], patient_rule: str, decode_images: bool) -> None:
    sizes = ', '.join(f'{count} {split}' for split, count in count_splits(studies).items())
    patients = {patient_of(row, patient_rule) for row in rows}
    LOG.info(
        'No faults in %d studies (%s) with %d images (%s); %s; %s',
        len(studies),
        sizes,
        sum(len(study.image_paths) for study in studies),
        'all decoded' if decode_images else 'not decoded',
        'unlabelled' if studies[0].labels is None else 'labelled',
        'patients unknown, so not compared between splits (a column patient, or --patient_rule)'
        if None in patients
        else f'{len(patients)} patients, each in one split',
    )
