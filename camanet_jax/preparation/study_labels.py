"""Pseudo-labels put to studies: from a label file, from MIMIC-CXR-JPG's tables, or by rules."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from camanet_jax.data.schema import OBSERVATIONS, Study, label_row, summarise
from camanet_jax.labeling.label_files import Labels, read_label_csv, read_label_json
from camanet_jax.labeling.label_values import NEGATIVE, positives
from camanet_jax.labeling.rule_labeler import label_reports

LOG = logging.getLogger(__name__)

BY_RULES = 'rules'


def label_by_rules(studies: Sequence[Study], uncertain: str) -> list[Study]:
    """Labels read off the reports by the rule-based labeler, which needs no download."""
    labels = positives(label_reports([study.report for study in studies]), uncertain)
    return [_with_row(study, row) for study, row in zip(studies, labels, strict=True)]


def label_from_file(studies: Sequence[Study], path: Path, uncertain: str) -> list[Study]:
    """Labels of a file: JSON by study id (or its first two dash-separated parts), or CSV with a column `id`.

    Raises:
      ValueError: the file is malformed, or studies are not in it.
    """
    if path.suffix == '.json':
        rows = read_label_json(path)
    else:
        rows = _binary(read_label_csv(path), uncertain)
    found = {study.id: label_row(study.id, rows) for study in studies}
    if missing := [name for name, row in found.items() if row is None]:
        raise ValueError(f'{path}: no labels of {summarise(missing, "study", "studies")}')
    return [_with_row(study, found[study.id]) for study in studies]


def label_from_mimic_table(
    studies: Sequence[Study], path: Path, uncertain: str, study_number: Callable[[Study], str]
) -> list[Study]:
    """Labels of MIMIC-CXR-JPG's CheXpert or NegBio table; studies not in it are negative throughout, and logged.

    Args:
      studies: samples; those of one study share its row.
      path: the table; its columns are found by name.
      uncertain: how to count uncertain labels (`label_values.UNCERTAIN_POLICIES`).
      study_number: gives the study_id of a sample.
    """
    rows = _binary(read_label_csv(path, 'study_id'), uncertain)
    nothing = (NEGATIVE,) * len(OBSERVATIONS)
    numbers = [study_number(study) for study in studies]
    if missing := [number for number in dict.fromkeys(numbers) if number not in rows]:
        LOG.warning(
            '%s has no row, so negative labels throughout, for %s', path.name, summarise(missing, 'study', 'studies')
        )
    return [_with_row(study, rows.get(number, nothing)) for study, number in zip(studies, numbers, strict=True)]


def _binary(labels: Labels, uncertain: str) -> Labels:
    values = np.array(list(labels.values()), np.int8).reshape(-1, len(OBSERVATIONS))
    return dict(zip(labels, map(tuple, positives(values, uncertain).tolist()), strict=True))


def _with_row(study: Study, row: Sequence[int]) -> Study:
    return dataclasses.replace(study, labels=tuple(int(value) for value in row))
