"""The words of a text that name a finding."""

import functools
import re
from collections.abc import Iterator, Sequence

from camanet_jax.labeling.label_files import POSITIVE, UNCERTAIN
from camanet_jax.labeling.phrase_rules import MENTIONS
from camanet_jax.labeling.rule_labeler import label_report
from camanet_jax.reporting.figures import FUNCTION_WORDS

SENTENCE_END = '.'


def naming_places(words: Sequence[str], observation: str) -> list[int]:
    """Places of the words that name an observation, in sentences that say that it is there or may be.

    The words are those that the labeler's phrases for the observation cover ("heart is mildly enlarged"), without
    function words. Sentences that deny it do not count: their words are about its absence.
    """
    places = []
    for start, sentence in _sentences(words):
        text = ' '.join(sentence)
        if _labels(text)[observation] in (POSITIVE, UNCERTAIN):
            places += [start + place for place in _covered(sentence, text, observation)]
    return [place for place in places if words[place] not in FUNCTION_WORDS]


def _sentences(words: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Each sentence with the place of its first word."""
    start = 0
    for place, word in enumerate([*words, SENTENCE_END]):
        if word == SENTENCE_END:
            if place > start:
                yield start, list(words[start:place])
            start = place + 1


@functools.lru_cache(maxsize=4096)
def _labels(sentence: str) -> dict[str, int]:
    return label_report(sentence)


def _covered(sentence: list[str], text: str, observation: str) -> list[int]:
    """Places in the sentence that a phrase for the observation touches."""
    spans = [match.span() for phrase in MENTIONS.get(observation, ()) for match in re.finditer(phrase, text)]
    covered, begin = [], 0
    for place, word in enumerate(sentence):
        end = begin + len(word)
        if any(start < end and begin < stop for start, stop in spans):
            covered.append(place)
        begin = end + 1
    return covered
