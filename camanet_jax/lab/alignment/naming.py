"""The words of a text that name a finding."""

import functools
import re
from collections.abc import Sequence

from camanet_jax.labeling.label_files import POSITIVE, UNCERTAIN
from camanet_jax.labeling.phrase_rules import MENTIONS
from camanet_jax.labeling.rule_labeler import label_report
from camanet_jax.reporting.figures import FUNCTION_WORDS, sentences

_labels = functools.lru_cache(maxsize=4096)(label_report)  # of a sentence


def naming_positions(words: Sequence[str], observation: str) -> list[int]:
    """Positions of the words that name an observation, in sentences that call it present or possible.

    The words are those that the labeler's phrases for the observation cover ("heart is mildly enlarged"), without
    function words. Sentences that deny it do not count: their words are about its absence.
    """
    positions = []
    for start, end in sentences(words):
        sentence = words[start:end]
        text = ' '.join(sentence)
        if _labels(text)[observation] in (POSITIVE, UNCERTAIN):
            positions += [start + position for position in _covered(sentence, text, observation)]
    return [position for position in positions if words[position] not in FUNCTION_WORDS]


def _covered(sentence: Sequence[str], text: str, observation: str) -> list[int]:
    """Positions in the sentence of the words that a phrase for the observation touches."""
    spans = [match.span() for phrase in MENTIONS.get(observation, ()) for match in re.finditer(phrase, text)]
    words = re.finditer(r'\S+', text)
    return [i for i, word in enumerate(words) if any(a < word.end() and word.start() < b for a, b in spans)]
