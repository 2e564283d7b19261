"""ReXrank's scores as far as they need no other program (Yu et al., 2023; Zhang et al., 2024).

Texts are as written. Every score is a mean over studies. RadCliQ-v1 is a linear function of four scores of a study;
RadGraph's and BERTScore are computed elsewhere (third_party/radeval).
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from camanet_jax.metrics.bootstrap import StudyStatistics, mean_statistics, safe_ratio
from camanet_jax.metrics.meteor import import_nltk
from camanet_jax.metrics.nlg import NlgScores

Embed = Callable[[Sequence[str]], Float[np.ndarray, 'B D']]

# Mean and deviation of each part over the radiologists' study, and its weight: RadGraph F1 (mean of entities' and
# relations'), BERTScore, SembScore, BLEU-2. From CXR-Report-Metric's radcliq-v1.pkl, as RadEval prints its numbers.
PARTS = ('radgraph_combined', 'bertscore', 'semb_score', 'bleu_score')
MEANS = np.array([0.53792312, 0.61757256, 0.76479421, 0.44738335])
DEVIATIONS = np.array([0.30282584, 0.22430938, 0.25394391, 0.29892717])
WEIGHTS = np.array([-3.77083683e-01, -3.70300100e-01, -2.52616218e-01, 4.31504841e-12])
INTERCEPT = 2.46655256e-10


def rexrank_scores(reports: Sequence[str], references: Sequence[str], embed: Embed | None = None) -> NlgScores:
    """BLEU-2 and, where there are CheXbert's embeddings, SembScore."""
    scores = {'bleu_score': bleu_2(reports, references)}
    if embed is not None:
        scores['semb_score'] = semb_score(reports, references, embed)
    statistics = {name: mean_statistics(values) for name, values in scores.items()}
    return NlgScores({name: each.value() for name, each in statistics.items()}, scores, statistics)


def bleu_2(reports: Sequence[str], references: Sequence[str]) -> Float[np.ndarray, ' B']:
    """BLEU-2 of each study: lower case, a blank before full stops, words between blanks.

    No common bigram counts as a tenth of one, since fast_bleu, which ReXrank uses, smooths this way.
    """
    bleu = import_nltk('translate.bleu_score')
    smoothing = bleu.SmoothingFunction().method1
    return np.array(
        [
            bleu.sentence_bleu([words(reference)], words(report), (0.5, 0.5), smoothing)
            for report, reference in zip(reports, references, strict=True)
        ],
        np.float64,
    )


def words(text: str) -> list[str]:
    """ReXrank's words of a text."""
    return [word for word in text.lower().replace('.', ' .').split(' ') if word]


def semb_score(reports: Sequence[str], references: Sequence[str], embed: Embed) -> Float[np.ndarray, ' B']:
    """Cosine of CheXbert's embeddings of both texts."""
    ours, theirs = embed(reports), embed(references)
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return safe_ratio((ours * theirs).sum(1).astype(np.float64), lengths.astype(np.float64))


def radcliq_v1(parts: Float[np.ndarray, 'B 4']) -> Float[np.ndarray, ' B']:
    """RadCliQ-v1 of each study from its `PARTS`: a distance, lower is better."""
    return (parts - MEANS) / DEVIATIONS @ WEIGHTS + INTERCEPT


def inverse_mean(per_study: Float[np.ndarray, ' B']) -> StudyStatistics:
    """1/RadCliQ-v1, by which ReXrank ranks: higher is better.

    Raises:
      ValueError: the mean is not positive, where its inverse would rank the best system last.
    """
    mean = mean_statistics(per_study)
    if mean.value() <= 0:
        raise ValueError(
            f'1/RadCliQ-v1 ranks systems whose mean RadCliQ-v1 is positive; this mean is {mean.value():.4f}.'
        )
    return StudyStatistics(mean.summands, lambda sums: sums[..., 1] / sums[..., 0])
