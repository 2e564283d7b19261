"""Corpus BLEU-1..4 from per-study counts, equal to pycocoevalcap's.

pycocoevalcap does the counting; the corpus formula is repeated here, vectorised, because its own
works on Python lists and cannot score a thousand resamples.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from pycocoevalcap.bleu.bleu_scorer import BleuScorer

from camanet_jax.metrics.bootstrap import StudyStatistics

ORDERS = 4
NAMES = tuple(f'BLEU_{order}' for order in range(1, ORDERS + 1))

# pycocoevalcap's guards against empty texts, part of the published numbers' arithmetic.
_SMALL = 1e-9
_TINY = 1e-15


def bleu_counts(hypotheses: Sequence[str], references: Sequence[str]) -> Float[np.ndarray, 'B 10']:
    """Per study: matched n-grams (4), n-grams of the hypothesis (4), lengths of both texts."""
    scorer = BleuScorer(n=ORDERS)
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        scorer += (hypothesis, [reference])
    rows = [[*counts['correct'], *counts['guess'], counts['testlen'], counts['reflen'][0]] for counts in scorer.ctest]
    return np.asarray(rows, np.float64).reshape(-1, 2 * ORDERS + 2)


def corpus_bleu(counts: Float[np.ndarray, '... 10']) -> Float[np.ndarray, '... 4']:
    """BLEU-1..4 (Papineni et al., 2002) of summed `bleu_counts` rows: brevity penalty times the
    geometric mean of the first n precisions."""
    counts = np.asarray(counts, np.float64)
    matched, guessed = counts[..., :ORDERS], counts[..., ORDERS : 2 * ORDERS]
    length, reference_length = counts[..., -2], counts[..., -1]
    precisions = (matched + _TINY) / (guessed + _SMALL)
    means = np.cumprod(precisions, axis=-1) ** (1 / np.arange(1, ORDERS + 1))
    ratio = (length + _TINY) / (reference_length + _SMALL)
    # An empty hypothesis has a ratio near zero, whose exponential underflows to the right 0.
    brevity_penalty = np.where(ratio < 1, np.exp(1 - 1 / np.minimum(ratio, 1)), 1.0)
    return means * brevity_penalty[..., None]


def bleu_statistics(counts: Float[np.ndarray, 'B 10'], order: int) -> StudyStatistics:
    """Corpus BLEU of one order, ready for the bootstrap."""
    return StudyStatistics(counts, lambda sums: corpus_bleu(sums)[..., order - 1])
