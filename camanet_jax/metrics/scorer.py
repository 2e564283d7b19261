"""Scores of one set of reports: language under each protocol, and clinical efficacy under each convention.

Clinical efficacy (the paper's Table II) compares the observations that one labeler reads off the generated report with
those it reads off the reference. Papers differ in the observations that they count (14, 13 without No Finding, 5), in
the average, in what an uncertain observation counts as, and in the text that is labelled.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.labeling.label_files import NEGATIVE, UNCERTAIN_POLICIES, positives, without_ignored
from camanet_jax.labeling.rule_labeler import RULES, Labeler
from camanet_jax.metrics import classification
from camanet_jax.metrics.bootstrap import StudyStatistics
from camanet_jax.metrics.nlg import NlgScores, score_reports
from camanet_jax.metrics.protocol import CLEANED, WRITTEN, Recaser, compared_strings
from camanet_jax.metrics.rexrank import rexrank_scores

DEFAULT_TEXT = 'full'  # the texts that are labelled by default: whole and cleaned, on both sides
GIVEN = 'given'  # in place of a text, where the references' labels come from a file


class ReportLabels(NamedTuple):
    """Labels of a set of reports.

    Attributes:
        labels: 1, 0, -1 (uncertain) and -2 (blank); or binary ones: 1, 0, -1 (ignored).
        source: where they come from, as it stands beside the clinical scores.
        binary: True where only the file's author knows what uncertain observations became.
    """

    labels: Int[np.ndarray, 'B Y']
    source: str
    binary: bool = False

    def under(self, uncertain: str) -> Int[np.ndarray, 'B Y']:
        """Binary labels, uncertain ones counted as the policy says."""
        return self.labels if self.binary else positives(self.labels, uncertain)

    def policy(self, uncertain: str) -> str:
        """The name of what uncertain observations count as."""
        return 'as_given' if self.binary else uncertain


class SetScores(NamedTuple):
    """Scores of one set of reports.

    Attributes:
        nlg: language scores by protocol.
        clinical: clinical efficacy, the labels of reports against those of references; empty without labels. Under
            `uncertain_negative`, or as the policy is called, that of the default text, by observation too; under
            `conventions`, by text, policy, class set and average, that of every convention.
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
    # What an uncertain observation counts as: 'negative', 'positive', or 'ignore': none of a reference counts.
    uncertain: str = 'negative'
    with_meteor: bool = True  # False saves starting Java
    protocols: tuple[str, ...] = CLEANED
    texts: tuple[str, ...] = CLEANED  # that are labelled, named as the protocols; 'raw' needs references as written
    recaser: Recaser | None = None  # of the reports, for protocols that compare texts as written

    def score(
        self,
        reports: Sequence[str],
        references: Sequence[str],
        predicted: ReportLabels | None = None,
        target: ReportLabels | None = None,
    ) -> SetScores:
        """Scores reports against whole references, both as written or cleaned.

        Args:
            predicted, target: labels of the reports and of the references, where they are not to be read off them.
        """
        nlg = {name: self._nlg(name, reports, references) for name in self.protocols}
        statistics = {name: scores.statistics for name, scores in nlg.items()}
        if self.labeler is None and (predicted is None or target is None):
            return SetScores(nlg, {}, statistics)
        texts = {GIVEN: DEFAULT_TEXT} if target else {text: text for text in (DEFAULT_TEXT, *self.texts)}
        sides = {
            name: (
                predicted or self._read(self.compared(text, reports)),
                target or self._read(self.compared(text, references, recase=False)),
            )
            for name, text in texts.items()
        }
        compared = {name: self._compared(*pair) for name, pair in sides.items()}
        first = next(iter(sides))
        policy, default = next(iter(compared[first].items()))
        statistics['clinical'] = classification.f1_statistics(*default)
        sources = dict.fromkeys(side.source for side in sides[first])
        clinical = {
            'labeler': ' against '.join(sources),
            policy: classification.classification_scores(*default),
            'conventions': {
                name: {policy: classification.scores_by_class_set(*labels) for policy, labels in by_policy.items()}
                for name, by_policy in compared.items()
            },
        }
        return SetScores(nlg, clinical, statistics)

    def _compared(self, predicted: ReportLabels, target: ReportLabels) -> dict[str, tuple[np.ndarray, ...]]:
        """Binary labels of both sides by the name of what uncertain ones count as, the scorer's own first."""
        if self.uncertain not in UNCERTAIN_POLICIES:
            raise ValueError(f'Expected uncertain as one of {UNCERTAIN_POLICIES}, got {self.uncertain!r}.')
        by_policy = {}
        for uncertain in dict.fromkeys((self.uncertain, 'negative', 'positive')):
            policies = dict.fromkeys(side.policy(uncertain) for side in (predicted, target))
            # A report that hedges must not choose what counts.
            of_report = 'negative' if uncertain == 'ignore' else uncertain
            by_policy['uncertain_' + '_against_'.join(policies)] = without_ignored(
                predicted.under(of_report), target.under(uncertain)
            )
        return by_policy

    def _nlg(self, protocol: str, reports: Sequence[str], references: Sequence[str]) -> NlgScores:
        hypotheses, compared = self.compared(protocol, reports), self.compared(protocol, references, recase=False)
        if protocol == 'rexrank':
            return rexrank_scores(hypotheses, compared, self.labeler and self.labeler.embed)
        return score_reports(hypotheses, compared, with_meteor=self.with_meteor)

    def compared(self, protocol: str, texts: Sequence[str], *, recase: bool = True) -> list[str]:
        """The compared strings of reports, or with `recase=False` of references."""
        if recase and self.recaser and protocol in WRITTEN:
            texts = map(self.recaser, texts)
        return compared_strings(protocol, texts, self.tokenizer, self.max_seq_length)

    def distinct(self, reports: Sequence[str]) -> int:
        """The number of different reports: as written for protocols that compare them so, else cleaned."""
        return len(set(self.compared('full' if self.protocols[0] in CLEANED else 'raw', reports)))

    def _read(self, texts: Sequence[str]) -> ReportLabels:
        distinct, index = np.unique(texts, return_inverse=True)
        labels = np.array(self.labeler.label(distinct.tolist()))
        wordless = [not any(map(str.isalpha, text)) for text in distinct.tolist()]
        labels[wordless] = NEGATIVE  # who writes nothing has not written "no finding" either
        return ReportLabels(labels[index], self.labeler.name)
