"""Scores of one set of reports: language under both protocols, and clinical efficacy.

Clinical efficacy (the paper's Table II) compares the observations that
one labeler reads off the generated report with those it reads off the reference.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.labeling.label_values import positives, without_ignored
from camanet_jax.metrics import classification, labeler
from camanet_jax.metrics.bootstrap import StudyStatistics
from camanet_jax.metrics.nlg import NlgScores, score_reports
from camanet_jax.metrics.protocol import PROTOCOLS, compared_strings, full_string


class Labeler(NamedTuple):
    """A named way to read observations off reports.

    Attributes:
        name: as it stands beside the clinical scores.
        label: maps texts to labels [B, Y] as `labeler.label_reports` does.
    """

    name: str
    label: Callable[[Sequence[str]], Int[np.ndarray, 'B Y']]


RULES = Labeler('rules', labeler.label_reports)


class SetScores(NamedTuple):
    """Scores of one set of reports.

    Attributes:
        nlg: language scores by protocol.
        clinical: clinical efficacy, the labels of reports against those of references.
        statistics: what the bootstrap resamples: group ("cut", "full", "clinical"), then score.
    """

    nlg: dict[str, NlgScores]
    clinical: dict
    statistics: dict[str, dict[str, StudyStatistics]]


@dataclasses.dataclass(frozen=True)
class Scorer:
    """Scores reports by one vocabulary, labeler and uncertain policy."""

    tokenizer: Tokenizer  # the train vocabulary, with its cleaner
    max_seq_length: int  # where the protocol `cut` cuts, in ids
    labeler: Labeler = RULES  # reads the observations for clinical efficacy
    uncertain: str = 'negative'  # or 'positive': what an uncertain observation counts as; or 'ignore'
    with_meteor: bool = True  # False saves starting Java

    def score(self, reports: Sequence[str], references: Sequence[str]) -> SetScores:
        """Score reports against whole references, both as written or cleaned."""
        nlg = {name: self._nlg(name, reports, references) for name in PROTOCOLS}
        predicted, target = without_ignored(self._positives(reports), self._positives(references))
        clinical = {
            'labeler': self.labeler.name,
            f'uncertain_{self.uncertain}': classification.classification_scores(predicted, target),
        }
        statistics = {name: scores.statistics for name, scores in nlg.items()}
        statistics['clinical'] = {
            'micro_F1': classification.micro_f1_statistics(predicted, target),
            'macro_F1': classification.macro_f1_statistics(predicted, target),
        }
        return SetScores(nlg, clinical, statistics)

    def _nlg(self, protocol: str, reports: Sequence[str], references: Sequence[str]) -> NlgScores:
        hypotheses, compared = (
            compared_strings(protocol, texts, self.tokenizer, self.max_seq_length)
            for texts in (reports, references)
        )
        return score_reports(hypotheses, compared, with_meteor=self.with_meteor)

    def _positives(self, texts: Sequence[str]) -> Int[np.ndarray, 'B Y']:
        # Both sides are labelled in cleaned form: a written reference would give more away.
        cleaned = [full_string(text, self.tokenizer) for text in texts]
        return positives(self.labeler.label(cleaned), self.uncertain)
