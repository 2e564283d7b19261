"""Labels from files, for the studies that are scored."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from camanet_jax.data.schema import summarise
from camanet_jax.labeling.agreement import other_row
from camanet_jax.labeling.label_files import open_text, read_label_csv, read_label_json
from camanet_jax.labeling.label_values import positives
from camanet_jax.metrics.scorer import GivenLabels

ID_COLUMNS = ('id', 'study_id')


def read_labels(path: Path | None, ids: Sequence[str], uncertain: str) -> GivenLabels | None:
    """The rows of these studies, in order: JSON as it is, since it is binary; CSV with uncertain ones as `uncertain`.

    Raises:
      ValueError: the file is no label file, or lacks studies; they are listed.
    """
    if path is None:
        return None
    if not path.is_file():
        raise ValueError(f'{path}: no such file; expected label rows by study, JSON or CSV')
    binary = path.suffix == '.json'
    labels = read_label_json(path) if binary else read_label_csv(path, _id_column(path))
    rows = [other_row(labels, study_id) for study_id in ids]
    if missing := [study_id for study_id, row in zip(ids, rows, strict=True) if row is None]:
        raise ValueError(
            f'{path}: expected labels of all {len(ids)} studies, got none of {summarise(missing, "study", "studies")}.'
        )
    values = np.array(rows, np.int8)
    if binary:
        return GivenLabels(values, path.name, 'as_given')
    return GivenLabels(positives(values, uncertain), path.name, uncertain)


def _id_column(path: Path) -> str:
    with open_text(path) as file:
        header = file.readline().lstrip('\ufeff').strip().split(',')
    found = [name for name in ID_COLUMNS if name in header]
    return found[0] if found else ID_COLUMNS[0]
