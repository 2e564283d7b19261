"""Which words of a report are worth a picture, and how its words are set."""

from collections.abc import Iterable, Sequence

from camanet_jax.explain import Explanation

UNKNOWN = '<unk>'
FUNCTION_WORDS = frozenset(
    'a an and are as at be been by for from has have in is it its no not of on or than that the there these this to '
    'was were which with within without'.split()
)


def is_punctuation(word: str) -> bool:
    """Whether a word has neither letters nor digits."""
    return not any(character.isalnum() for character in word)


def important_places(words: Sequence[str], explanation: Explanation) -> list[int]:
    """Places of the most important words, first the most important; each word once, without punctuation.

    With VTAC these are the words it selected, by rank. Without, content words by how peaked their attention is.
    """
    if explanation.selected is not None:
        return distinct_places(words, explanation.selected)
    peaks = explanation.predicting_attention.reshape(len(words), -1).max(1) if words else []
    order = sorted(range(len(words)), key=lambda place: -peaks[place])
    return distinct_places(words, [place for place in order if words[place] not in FUNCTION_WORDS])


def distinct_places(words: Sequence[str], places: Iterable[int]) -> list[int]:
    """The first place of every word in the order given."""
    first: dict[str, int] = {}
    for place in places:
        if words[place] != UNKNOWN and not is_punctuation(words[place]):
            first.setdefault(words[place], place)
    return list(first.values())


def text_pieces(words: Sequence[str], marked: Iterable[int] = ()) -> list[tuple[str, bool]]:
    """Words with the punctuation that follows them, each with whether it is marked."""
    marked = set(marked)
    pieces: list[tuple[str, bool]] = []
    for place, word in enumerate(words):
        if pieces and is_punctuation(word):
            before, flag = pieces.pop()
            pieces.append((before + word, flag))
        else:
            pieces.append((word, place in marked))
    return pieces
