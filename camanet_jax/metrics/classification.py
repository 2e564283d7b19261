"""Multi-label precision, recall and F1, averaged in every way the field reports.

Identical to scikit-learn's `precision_recall_fscore_support` with `zero_division=0` on the same
labels: a ratio without a denominator counts as 0, in the macro and example means too.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.metrics.bootstrap import StudyStatistics, mean_statistics, safe_ratio

PRESENT = 0.5  # the probability from which a classifier says that an observation is there
# The five observations of the CheXpert competition (Irvin et al., 2019, section 5).
FIVE_CLASSES = ('Atelectasis', 'Cardiomegaly', 'Consolidation', 'Edema', 'Pleural Effusion')
# Without No Finding, which every report of the same normal words gets right in most studies.
FINDINGS = tuple(name for name in OBSERVATIONS if name != 'No Finding')
SUBSETS = {'five_class': FIVE_CLASSES, 'findings': FINDINGS}


def classification_scores(
    predicted: Int[np.ndarray, 'B Y'],
    target: Int[np.ndarray, 'B Y'],
    class_names: Sequence[str] = OBSERVATIONS,
) -> dict:
    """Precision, recall and F1 of binary labels.

    Returns `micro` (Tables II and V of the paper), `macro`, `example` (mean over studies),
    `per_class` by name (with `support`, the positive studies) and, where `class_names` has them, micro, macro and
    example of the CheXpert competition's classes, `five_class`, and of all but No Finding, `findings`.
    """
    predicted, target = _checked(predicted, target, class_names)
    counts = confusion_counts(predicted, target)
    scores = _averages(counts)
    per_class = precision_recall_f1(counts.sum(axis=0))
    support = target.sum(axis=0)
    scores['per_class'] = {
        name: {**_named(per_class[i]), 'support': int(support[i])} for i, name in enumerate(class_names)
    }
    for subset, names in SUBSETS.items():
        if set(names) <= set(class_names):
            scores[subset] = _averages(counts[:, [list(class_names).index(name) for name in names]])
    return scores


def presence_scores(probabilities: Float[np.ndarray, 'B Y'], labels: Float[np.ndarray, 'B Y']) -> dict:
    """Scores of a classifier against pseudo-labels that are NaN where there is none; empty where there are none at all.

    An observation without a pseudo-label is 0 on both sides, where precision, recall and F1 overlook it.
    """
    labelled = ~np.isnan(labels).all(1)
    if not labelled.any():
        return {}
    predicted, labels = probabilities[labelled] >= PRESENT, labels[labelled]
    return classification_scores((predicted & ~np.isnan(labels)).astype(int), np.nan_to_num(labels).astype(int))


def confusion_counts(predicted: Int[np.ndarray, 'B Y'], target: Int[np.ndarray, 'B Y']) -> Float[np.ndarray, 'B Y 3']:
    """True positives, false positives and false negatives of each study and class."""
    predicted, target = np.asarray(predicted, bool), np.asarray(target, bool)
    cells = (predicted & target, predicted & ~target, ~predicted & target)
    return np.stack(cells, axis=-1).astype(np.float64)


def precision_recall_f1(counts: Float[np.ndarray, '... 3']) -> Float[np.ndarray, '... 3']:
    """Precision, recall and F1 of (true positives, false positives, false negatives)."""
    true, false_positive, false_negative = np.moveaxis(counts, -1, 0)
    denominators = (
        true + false_positive,
        true + false_negative,
        true + (false_positive + false_negative) / 2,
    )
    return np.stack([safe_ratio(true, denominator) for denominator in denominators], axis=-1)


def f1_statistics(predicted: Int[np.ndarray, 'B Y'], target: Int[np.ndarray, 'B Y']) -> dict[str, StudyStatistics]:
    """F1 of the 14 `OBSERVATIONS` and of subsets, averaged in every way, ready for the bootstrap.

    Names: `micro_F1`, `macro_F1`, `example_F1`, and the same after `five_class_` and `findings_`.
    """
    counts = confusion_counts(predicted, target)
    found = _f1_averages(counts, '')
    for subset, names in SUBSETS.items():
        found |= _f1_averages(counts[:, [OBSERVATIONS.index(name) for name in names]], f'{subset}_')
    return found


def _f1_averages(counts: Float[np.ndarray, 'B Y 3'], prefix: str) -> dict[str, StudyStatistics]:
    studies, classes, cells = counts.shape

    def macro(sums):
        by_class = sums.reshape(*sums.shape[:-1], classes, cells)
        return precision_recall_f1(by_class)[..., 2].mean(axis=-1)

    return {
        f'{prefix}micro_F1': StudyStatistics(counts.sum(axis=1), lambda sums: precision_recall_f1(sums)[..., 2]),
        f'{prefix}macro_F1': StudyStatistics(counts.reshape(studies, classes * cells), macro),
        f'{prefix}example_F1': mean_statistics(precision_recall_f1(counts.sum(axis=1))[:, 2]),
    }


def _averages(counts: Float[np.ndarray, 'B Y 3']) -> dict:
    return {
        'micro': _named(precision_recall_f1(counts.sum(axis=(0, 1)))),
        'macro': _named(precision_recall_f1(counts.sum(axis=0)).mean(axis=0)),
        'example': _named(precision_recall_f1(counts.sum(axis=1)).mean(axis=0)),
    }


def _named(scores: Float[np.ndarray, ' 3']) -> dict[str, float]:
    return dict(zip(('precision', 'recall', 'F1'), scores.tolist(), strict=True))


def _checked(predicted: np.ndarray, target: np.ndarray, class_names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    predicted, target = np.asarray(predicted), np.asarray(target)
    expected = (len(target), len(class_names))
    if predicted.shape != expected or target.shape != expected or not len(target):
        raise ValueError(
            f'Expected predicted and target labels [studies, {len(class_names)}] of the same '
            f'studies, got {predicted.shape} and {target.shape}.'
        )
    for name, labels in (('predicted', predicted), ('target', target)):
        if not np.isin(labels, (0, 1)).all():
            raise ValueError(
                f'Expected {name} labels of 0 and 1, got {np.unique(labels)[:10].tolist()}; '
                'decide first what uncertain and blank count as.'
            )
    return predicted, target
