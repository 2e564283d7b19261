"""The agreement of labels with others of the same reports, as a Markdown table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from camanet_jax.data.schema import OBSERVATIONS, label_row
from camanet_jax.labeling.label_files import IGNORED, positives, without_ignored
from camanet_jax.metrics.classification import classification_scores
from camanet_jax.reporting.tables import markdown_table

NUMBERS = 'precision', 'recall', 'F1'


def agreement_table(labels: Mapping[str, Sequence[int]], others: Mapping[str, Sequence[int]], uncertain: str) -> str:
    """Precision, recall and F1 per class of `labels` (1, 0, -1, -2) against `others` (0, 1, or -1 for ignored).

    Reports without another label are left out. An observation that the others ignore everywhere has no row.
    """
    pairs = [(row, label_row(name, others, open_i=True)) for name, row in labels.items()]
    pairs = [(row, other) for row, other in pairs if other is not None]
    if not pairs:
        raise ValueError('none of the reports has a label to compare with; are the ids those of the same data set?')
    ours, theirs = (np.array(side) for side in zip(*pairs, strict=True))
    columns = np.flatnonzero((theirs != IGNORED).any(0))
    compared = [OBSERVATIONS[column] for column in columns]
    both = without_ignored(positives(ours, uncertain), theirs)
    scores = classification_scores(*(side[:, columns] for side in both), compared)
    rows = [table_row(name, scores['per_class'][name]) for name in compared]
    rows += [table_row(f'**{average}**', scores[average]) for average in ('micro', 'macro')]
    table = markdown_table(('observation', 'positive', *NUMBERS), rows, padded=False)
    return f'{len(pairs)} reports, uncertain counted as {uncertain}\n\n{table}'


def table_row(name: str, scores: Mapping[str, Any]) -> list[str]:
    """One row of the table."""
    return [name, str(scores.get('support', '')), *(f'{scores[key]:.3f}' for key in NUMBERS)]
