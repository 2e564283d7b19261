"""Language scores of generated reports: BLEU-1..4, METEOR, ROUGE-L, CIDEr.

The scorers are pycocoevalcap's on compared strings (see `protocol`), without its PTB tokenizer, as is usual in this
field: cleaned reports are already words separated by spaces. The corpus formula of BLEU is repeated here, vectorised,
since pycocoevalcap's works on Python lists and is too slow for a thousand resamples. CIDEr weighs n-grams by the number
of references in the scored set that contain them, so that it depends on the set and is 0 for a single study.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from camanet_jax.metrics.bootstrap import StudyStatistics, mean_statistics
from camanet_jax.metrics.meteor import (
    NLTK_METEOR,
    MeteorProcess,
    meteor_statistics,
    nltk_meteor,
    shared_meteor,
    shared_wordnet,
)

ORDERS = 4
BLEU_NAMES = tuple(f'BLEU_{order}' for order in range(1, ORDERS + 1))
NAMES = (*BLEU_NAMES, 'METEOR', 'ROUGE_L', 'CIDEr')

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


class NlgScores(NamedTuple):
    """Scores of a set of reports, by name in the order of `NAMES`.

    METEOR needs Java; where only nltk's WordNet is installed, `METEOR_nltk` takes its place.
    """

    corpus: dict[str, float]
    per_study: dict[str, Float[np.ndarray, ' B']]  # of which corpus BLEU and METEOR are not the means
    statistics: dict[str, StudyStatistics]  # for the bootstrap; CIDEr keeps the whole set's weights


def score_reports(hypotheses: Sequence[str], references: Sequence[str], *, with_meteor: bool = True) -> NlgScores:
    """Scores hypotheses against one reference each, both compared strings; an empty hypothesis scores 0."""
    hypotheses, references = _checked(hypotheses), _checked(references)
    if len(hypotheses) != len(references) or not references:
        raise ValueError(
            f'Expected one reference per report and at least one, got {len(hypotheses)} reports '
            f'and {len(references)} references.'
        )
    if '' in references:
        number = references.index('')
        raise ValueError(f'The reference of study number {number} (from 0) is empty; leave out such studies.')
    parts = [_bleu(hypotheses, references)]
    if with_meteor:
        parts += _meteor_of_this_machine(hypotheses, references)
    parts += [_mean_score('ROUGE_L', Rouge(), hypotheses, references)]
    parts += [_mean_score('CIDEr', Cider(), hypotheses, references)]
    return NlgScores(*({k: v for part in parts for k, v in part[i].items()} for i in range(3)))


def align_ahead(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    """Has METEOR align reports that `score_reports` will need, for instance while a device makes the next ones."""
    if (meteor := shared_meteor()) is not None:
        meteor.counts(_checked(hypotheses), _checked(references))


def find_meteor() -> None:
    """Starts METEOR or, where it cannot run, warns of its substitute now rather than at the first score."""
    if shared_meteor() is None:
        shared_wordnet()


def _checked(texts: Sequence[str]) -> list[str]:
    # ROUGE splits at single spaces, and METEOR reads lines.
    return [' '.join(text.split()) for text in texts]


def _bleu(hypotheses: list[str], references: list[str]) -> NlgScores:
    counts = bleu_counts(hypotheses, references)
    statistics = {name: bleu_statistics(counts, order) for order, name in enumerate(BLEU_NAMES, start=1)}
    per_study = dict(zip(BLEU_NAMES, corpus_bleu(counts).T, strict=True))
    return NlgScores({name: s.value() for name, s in statistics.items()}, per_study, statistics)


def _meteor_of_this_machine(hypotheses: list[str], references: list[str]) -> list[NlgScores]:
    """METEOR 1.5, or nltk's under its own name, or neither."""
    if (meteor := shared_meteor()) is not None:
        return [_meteor(meteor, hypotheses, references)]
    if (wordnet := shared_wordnet()) is not None:
        return [_mean_scores(NLTK_METEOR, nltk_meteor(hypotheses, references, wordnet))]
    return []


def _meteor(meteor: MeteorProcess, hypotheses: list[str], references: list[str]) -> NlgScores:
    counts = meteor.counts(hypotheses, references)
    corpus, per_study = meteor.scores(counts)
    return NlgScores({'METEOR': corpus}, {'METEOR': per_study}, {'METEOR': meteor_statistics(counts)})


def _mean_score(name: str, scorer: Rouge | Cider, hypotheses: list[str], references: list[str]) -> NlgScores:
    by_number = ({i: [text] for i, text in enumerate(texts)} for texts in (references, hypotheses))
    return _mean_scores(name, scorer.compute_score(*by_number)[1])


def _mean_scores(name: str, per_study: Float[np.ndarray, ' B']) -> NlgScores:
    """ROUGE-L, CIDEr and nltk's METEOR: the corpus score is the mean over studies."""
    return NlgScores({name: float(np.mean(per_study))}, {name: per_study}, {name: mean_statistics(per_study)})
