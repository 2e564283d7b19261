"""A rule-based report labeler: the 14 observations with negation and uncertainty, no download.

Each sentence is searched for phrases that name an observation; words before and after it decide whether it is present,
absent or uncertain. A report's label is the strongest of its sentences'.
"""

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.labeling import phrase_rules as rules
from camanet_jax.labeling.label_files import BLANK, NEGATIVE, POSITIVE, UNCERTAIN

_NO_FINDING = 'No Finding'
_OTHER = 'Other'  # a finding outside the 14
_STRENGTH = (BLANK, NEGATIVE, UNCERTAIN, POSITIVE)  # from weak to strong
_SENTENCE_END = re.compile(r'[.?!](?=\s|$)|[;\n]')


class Labeler(NamedTuple):
    """A report labeler: the rules here, or CheXbert (chexbert_labeler.py).

    Attributes:
        name: shown beside the clinical scores.
        label: maps texts to labels [B, Y] as `label_reports` does.
        embed: maps texts to vectors [B, D]; None where the labeler has none.
    """

    name: str
    label: Callable[[Sequence[str]], Int[np.ndarray, 'B Y']]
    embed: Callable[[Sequence[str]], Float[np.ndarray, 'B D']] | None = None


def label_reports(texts: Sequence[str]) -> Int[np.ndarray, 'B Y']:
    """Labels in the order of `OBSERVATIONS`: 1 positive, 0 negative, -1 uncertain, -2 blank."""
    labels = [[report[name] for name in OBSERVATIONS] for report in map(label_report, texts)]
    return np.array(labels, np.int8).reshape(-1, len(OBSERVATIONS))


def label_report(text: str) -> dict[str, int]:
    """The label of each observation in one report, written or cleaned."""
    labels = dict.fromkeys((*OBSERVATIONS, _OTHER), BLANK)
    for sentence in _SENTENCE_END.split(text.lower()):
        for name, label in _sentence_labels(' '.join(sentence.split())):
            labels[name] = max(labels[name], label, key=_STRENGTH.index)
    labels[_NO_FINDING] = _no_finding(labels)
    del labels[_OTHER]
    return labels


def _no_finding(labels: dict[str, int]) -> int:
    """CheXpert's rule (Irvin et al., 2019): positive where nothing but support devices is present or uncertain.

    Other diseases of the chest deny it too, as they do in labels made by CheXpert's successors.
    """
    ours = (label for name, label in labels.items() if name not in (_NO_FINDING, 'Support Devices'))
    return BLANK if {POSITIVE, UNCERTAIN}.intersection(ours) else POSITIVE


def _sentence_labels(sentence: str) -> Iterable[tuple[str, int]]:
    sentence = _compiled(rules.DECOYS).sub(lambda decoy: ' ' * len(decoy.group()), sentence)
    negated = _reached(sentence, rules.NEGATIONS, rules.NEGATIONS_BEHIND)
    doubted = _reached(sentence, rules.UNCERTAINTIES, rules.UNCERTAINTIES_BEHIND)
    certain = rules.MENTIONS | {_OTHER: rules.OTHER_FINDINGS}
    for patterns_of, label in ((certain, POSITIVE), (rules.HINTS, UNCERTAIN)):
        for name, patterns in patterns_of.items():
            for mention in _compiled(patterns).finditer(sentence):
                last = mention.end() - 1
                yield name, NEGATIVE if negated[last] else UNCERTAIN if doubted[last] else label


def _reached(sentence: str, cues: tuple[str, ...], cues_behind: tuple[str, ...]) -> np.ndarray:
    """Marks the characters of a sentence that a cue reaches: up to the next break, or back to the last."""
    reached = np.zeros(len(sentence), bool)
    breaks = [match.span() for match in _compiled(rules.BREAKS).finditer(sentence)]
    for cue in _compiled(cues).finditer(sentence):
        stop = min((start for start, _ in breaks if start >= cue.end()), default=len(sentence))
        reached[cue.end() : stop] = True
    for cue in _compiled(cues_behind).finditer(sentence):
        start = max((end for _, end in breaks if end <= cue.start()), default=0)
        reached[start : cue.start()] = True
    return reached


@functools.cache
def _compiled(patterns: tuple[str, ...]) -> re.Pattern:
    return re.compile('|'.join(f'(?:{pattern})' for pattern in patterns))


RULES = Labeler('rules', label_reports)
