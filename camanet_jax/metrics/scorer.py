"""Scores of one set of reports: language under both protocols, and clinical efficacy.

Clinical efficacy (the paper's Table II) compares the observations that
one labeler reads off the generated report with those it reads off the reference.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.labeling.label_files import NEGATIVE, positives, without_ignored
from camanet_jax.labeling.rule_labeler import RULES, Labeler
from camanet_jax.metrics import classification
from camanet_jax.metrics.bootstrap import StudyStatistics
from camanet_jax.metrics.nlg import NlgScores, score_reports
from camanet_jax.metrics.protocol import PROTOCOLS, compared_strings, full_string


class GivenLabels(NamedTuple):
    """Binary labels that need not be read off texts.

    Attributes:
        labels: 1, 0, or -1 for ignored.
        source: where they come from, as it stands beside the clinical scores.
        uncertain: what uncertain observations became; 'as_given' where only the file's author knows.
    """

    labels: Int[np.ndarray, 'B Y']
    source: str
    uncertain: str


class SetScores(NamedTuple):
    """Scores of one set of reports.

    Attributes:
        nlg: language scores by protocol.
        clinical: clinical efficacy, the labels of reports against those of references; empty without labels.
        statistics: what the bootstrap resamples: group (a protocol, "clinical"), then score.
    """

    nlg: dict[str, NlgScores]
    clinical: dict
    statistics: dict[str, dict[str, StudyStatistics]]


@dataclasses.dataclass(frozen=True)
class Scorer:
    """Scores reports by one vocabulary, labeler and uncertain policy."""

    tokenizer: Tokenizer  # the train vocabulary, with its cleaner
    max_seq_length: int  # where the protocol `cut` cuts, in ids
    labeler: Labeler | None = RULES  # reads the observations for clinical efficacy; None: no text is labelled
    uncertain: str = 'negative'  # or 'positive': what an uncertain observation counts as; or 'ignore'
    with_meteor: bool = True  # False saves starting Java
    protocols: tuple[str, ...] = PROTOCOLS

    def score(
        self,
        reports: Sequence[str],
        references: Sequence[str],
        predicted: GivenLabels | None = None,
        target: GivenLabels | None = None,
    ) -> SetScores:
        """Score reports against whole references, both as written or cleaned.

        Args:
            predicted, target: labels of the reports and of the references, where they are not to be read off them.
        """
        nlg = {name: self._nlg(name, reports, references) for name in self.protocols}
        statistics = {name: scores.statistics for name, scores in nlg.items()}
        predicted, target = predicted or self._read(reports), target or self._read(references)
        if predicted is None or target is None:
            return SetScores(nlg, {}, statistics)
        compared = without_ignored(predicted.labels, target.labels)
        statistics['clinical'] = classification.f1_statistics(*compared)
        return SetScores(nlg, _clinical(predicted, target, compared), statistics)

    def _nlg(self, protocol: str, reports: Sequence[str], references: Sequence[str]) -> NlgScores:
        hypotheses, compared = (
            compared_strings(protocol, texts, self.tokenizer, self.max_seq_length) for texts in (reports, references)
        )
        return score_reports(hypotheses, compared, with_meteor=self.with_meteor)

    def _read(self, texts: Sequence[str]) -> GivenLabels | None:
        if self.labeler is None:
            return None
        # Both sides are labelled in cleaned form: a written reference would give more away.
        cleaned = [full_string(text, self.tokenizer) for text in texts]
        labels = positives(self.labeler.label(cleaned), self.uncertain)
        labels[[text == '' for text in cleaned]] = NEGATIVE  # who writes nothing has not written "no finding" either
        return GivenLabels(labels, self.labeler.name, self.uncertain)


def _clinical(predicted: GivenLabels, target: GivenLabels, compared: tuple[np.ndarray, np.ndarray]) -> dict:
    """The scores under a key that names the uncertain policy; both sides' where they differ."""
    labeler, policy = predicted.source, f'uncertain_{predicted.uncertain}'
    if predicted.source != target.source:
        labeler += f' against {target.source}'
    if predicted.uncertain != target.uncertain:
        policy += f'_against_{target.uncertain}'
    return {'labeler': labeler, policy: classification.classification_scores(*compared)}
