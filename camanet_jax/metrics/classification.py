"""Multi-label precision, recall and F1, averaged in every way the field reports.

Identical to scikit-learn's `precision_recall_fscore_support` with `zero_division=0` on the same
labels: a ratio without a denominator counts as 0, in the macro and example means too.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.metrics.bootstrap import StudyStatistics, safe_ratio

PRESENT = 0.5  # the probability from which an observation counts as present
# The five observations of the CheXpert competition (Irvin et al., 2019, section 5).
FIVE_CLASSES = ('Atelectasis', 'Cardiomegaly', 'Consolidation', 'Edema', 'Pleural Effusion')
# Without No Finding, which a constant normal report gets right in most studies.
FINDINGS = tuple(name for name in OBSERVATIONS if name != 'No Finding')
CLASS_SETS = {'13': FINDINGS, '14': OBSERVATIONS, '5': FIVE_CLASSES}
AVERAGES = ('macro', 'micro', 'weighted', 'example')
PREFIXES = {'13': 'findings_', '14': '', '5': 'five_class_'}  # of a class set's scores by name

Averages = dict[str, dict[str, float]]  # average -> precision, recall, F1


def classification_scores(
    predicted: Int[np.ndarray, 'B Y'], target: Int[np.ndarray, 'B Y'], class_names: Sequence[str] = OBSERVATIONS
) -> dict:
    """Precision, recall and F1 of binary labels.

    Returns `micro` (Tables II and V of the paper), `macro`, `weighted` (by positive studies), `example` (mean over
    studies), and `per_class` by name (with `support`, the positive studies).
    """
    predicted, target = _checked(predicted, target, class_names)
    counts = confusion_counts(predicted, target)
    per_class = precision_recall_f1(counts.sum(axis=0))
    support = target.sum(axis=0)
    classes = {name: {**_named(per_class[i]), 'support': int(support[i])} for i, name in enumerate(class_names)}
    return {**_averages(counts), 'per_class': classes}


def scores_by_class_set(predicted: Int[np.ndarray, 'B Y'], target: Int[np.ndarray, 'B Y']) -> dict[str, Averages]:
    """The averages over each of `CLASS_SETS`, of binary labels in the order of `OBSERVATIONS`."""
    counts = confusion_counts(*_checked(predicted, target, OBSERVATIONS))
    return {name: _averages(counts[:, _places(name)]) for name in CLASS_SETS}


def presence_scores(probabilities: Float[np.ndarray, 'B Y'], labels: Float[np.ndarray, 'B Y']) -> dict:
    """Scores of a classifier against pseudo-labels, NaN where they are missing; empty where all are.

    An observation without a pseudo-label is set to 0 on both sides, which precision, recall and F1 ignore; one that has
    none in any study enters no average.
    """
    missing = np.isnan(labels)
    studies, known = ~missing.all(1), ~missing.all(0)
    if not studies.any():
        return {}
    predicted, labels, missing = (each[studies][:, known] for each in (probabilities >= PRESENT, labels, missing))
    names = [name for name, there in zip(OBSERVATIONS, known, strict=True) if there]
    return classification_scores((predicted & ~missing).astype(int), np.nan_to_num(labels).astype(int), names)


def confusion_counts(predicted: Int[np.ndarray, 'B Y'], target: Int[np.ndarray, 'B Y']) -> Float[np.ndarray, 'B Y 3']:
    """True positives, false positives and false negatives of each study and class."""
    predicted, target = np.asarray(predicted, bool), np.asarray(target, bool)
    cells = (predicted & target, predicted & ~target, ~predicted & target)
    return np.stack(cells, axis=-1).astype(np.float64)


def precision_recall_f1(counts: Float[np.ndarray, '... 3']) -> Float[np.ndarray, '... 3']:
    """Precision, recall and F1 of (true positives, false positives, false negatives)."""
    true, false_positive, false_negative = np.moveaxis(counts, -1, 0)
    denominators = true + false_positive, true + false_negative, true + (false_positive + false_negative) / 2
    return np.stack([safe_ratio(true, denominator) for denominator in denominators], axis=-1)


def f1_statistics(predicted: Int[np.ndarray, 'B Y'], target: Int[np.ndarray, 'B Y']) -> dict[str, StudyStatistics]:
    """F1 over each of `CLASS_SETS`, averaged in every way, ready for the bootstrap.

    Names: `micro_F1` and so on of the 14 observations, `findings_micro_F1`, `five_class_micro_F1`.
    """
    counts = confusion_counts(predicted, target)
    return {
        f'{PREFIXES[classes]}{average}_F1': StudyStatistics(summands, lambda sums, of=of: of(sums)[..., 2])
        for classes in CLASS_SETS
        for average, (summands, of) in _summands(counts[:, _places(classes)]).items()
    }


def _places(class_set: str) -> list[int]:
    return [OBSERVATIONS.index(name) for name in CLASS_SETS[class_set]]


def _summands(counts: Float[np.ndarray, 'B Y 3']) -> dict[str, tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]]:
    """By average: what is summed over studies, and precision, recall and F1 of the sums."""
    studies, classes, cells = counts.shape
    flat = counts.reshape(studies, classes * cells)
    by_study = precision_recall_f1(counts.sum(axis=1))

    def by_class(sums):
        return sums.reshape(*sums.shape[:-1], classes, cells)

    def macro(sums):
        return precision_recall_f1(by_class(sums)).mean(axis=-2)

    def weighted(sums):
        support = by_class(sums)[..., [0]] + by_class(sums)[..., [2]]  # found and missed
        return safe_ratio((precision_recall_f1(by_class(sums)) * support).sum(-2), support.sum(-2))

    return {
        'macro': (flat, macro),
        'micro': (counts.sum(axis=1), precision_recall_f1),
        'weighted': (flat, weighted),
        'example': (np.c_[by_study, np.ones(studies)], lambda sums: sums[..., :3] / sums[..., 3:]),
    }


def _averages(counts: Float[np.ndarray, 'B Y 3']) -> Averages:
    return {name: _named(of(summands.sum(axis=0))) for name, (summands, of) in _summands(counts).items()}


def _named(scores: Float[np.ndarray, ' 3']) -> dict[str, float]:
    return dict(zip(('precision', 'recall', 'F1'), scores.tolist(), strict=True))


def _checked(predicted: np.ndarray, target: np.ndarray, class_names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    predicted, target = np.asarray(predicted), np.asarray(target)
    expected = (len(target), len(class_names))
    if predicted.shape != expected or target.shape != expected or not len(target):
        both = f'predicted and target labels [studies, {len(class_names)}] of the same studies'
        raise ValueError(f'Expected {both}, got {predicted.shape} and {target.shape}.')
    for name, labels in (('predicted', predicted), ('target', target)):
        if not np.isin(labels, (0, 1)).all():
            values = np.unique(labels)[:10].tolist()
            raise ValueError(f'Expected {name} labels of 0 and 1, got {values}; decide on uncertain and blank first.')
    return predicted, target
