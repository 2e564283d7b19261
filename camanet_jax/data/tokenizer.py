"""Report text to ids and back: cleaning, vocabulary, encoding, decoding.

The cleaners reproduce the field's, damage included ("1.5" becomes "15", "1. " vanishes anywhere), since published
scores are computed on texts cleaned this way.
"""

import collections
import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable, Sequence

UNKNOWN = '<unk>'
BOUNDARY_ID = 0  # begins a report, ends it and pads it

_ENUMERATION = (('1. ', ''), *((f'. {n}. ', '. ') for n in range(2, 6)), *((f' {n}. ', '. ') for n in range(2, 6)))
_DELETED_FIRST = str.maketrans('', '', '"/\\\'')
# The range from ':' to '[' was an accident of a regular expression; it takes < = > @ too.
_DELETED_LAST = str.maketrans('', '', '.,?;*!%^&_+()]{}' + ''.join(map(chr, range(ord(':'), ord('[') + 1))))


def clean_iu_xray(report: str) -> str:
    """Cleans a report by the rules for IU X-Ray; sentences come out joined by ' . '."""
    return _clean_sentences(_repeat_replace(report, '..', '.', passes=3))


def clean_mimic_cxr(report: str) -> str:
    """Cleans a report by the rules for MIMIC-CXR: joins lines and shortens runs, then cleans as for IU X-Ray."""
    text = report.replace('\n', ' ')
    text = _repeat_replace(text, '__', '_', passes=7)
    text = _repeat_replace(text, '  ', ' ', passes=6)
    return _clean_sentences(_repeat_replace(text, '..', '.', passes=8))


CLEANERS = {'iu_xray': clean_iu_xray, 'mimic_cxr': clean_mimic_cxr}

# Touches every rule: enumerations, runs, and each printable character alone, inside a word and at its end.
_PROBE = '1. One.. 2. two... 3. three 4. four 5. five _____ ____  a\nb .. c . ' + '. '.join(
    f'A{mark}b {mark} C{mark}' for mark in map(chr, range(33, 127))
)


def cleaning_digest(cleaner: str) -> str:
    """SHA-256 of what a cleaner makes of a text that touches every rule; it stands with the scores."""
    return hashlib.sha256(CLEANERS[cleaner](_PROBE).encode()).hexdigest()


def _repeat_replace(text: str, old: str, new: str, *, passes: int) -> str:
    for _ in range(passes):
        text = text.replace(old, new)
    return text


def _clean_sentences(text: str) -> str:
    for old, new in _ENUMERATION:
        text = text.replace(old, new)
    sentences = text.strip().lower().split('. ')
    return ' . '.join(_clean_sentence(sentence) for sentence in sentences) + ' .'


def _clean_sentence(sentence: str) -> str:
    return sentence.translate(_DELETED_FIRST).strip().translate(_DELETED_LAST)


@dataclasses.dataclass(frozen=True)
class Tokenizer:
    """A vocabulary and its cleaner; `words[i]` has id i + 1.

    One of your own (`data.tokenizer`) has these methods too, and is made again from what `to_json` gives.
    """

    words: tuple[str, ...]
    cleaner: str  # a key of CLEANERS

    def __post_init__(self):
        if self.cleaner not in CLEANERS:
            raise ValueError(f'cleaner must be one of {sorted(CLEANERS)}, got {self.cleaner!r}')
        if UNKNOWN not in self.words:
            raise ValueError(f'the vocabulary of {len(self.words)} words lacks {UNKNOWN!r}')

    @classmethod
    def build(cls, reports: Iterable[str], *, cleaner: str, threshold: int) -> 'Tokenizer':
        """Keeps the words that occur at least `threshold` times in the (train) reports."""
        if cleaner not in CLEANERS:
            raise ValueError(f'cleaner must be one of {sorted(CLEANERS)}, got {cleaner!r}')
        counts = collections.Counter()
        for report in reports:
            counts.update(CLEANERS[cleaner](report).split())
        frequent = [word for word, count in counts.items() if count >= threshold]
        return cls(tuple(sorted([*frequent, UNKNOWN])), cleaner)

    def __len__(self) -> int:
        """Number of words; the model's V is one more, for the boundary id 0."""
        return len(self.words)

    def clean(self, report: str) -> str:
        """The report as it is scored and tokenised: lower case, separated by single spaces."""
        return CLEANERS[self.cleaner](report)

    def encode(self, report: str, max_seq_length: int | None = None) -> list[int]:
        """Ids [0, of the words, 0], cut to `max_seq_length` (a cut report has no final 0)."""
        words = self.clean(report).split()
        ids = [self._id_of.get(word, self._id_of[UNKNOWN]) for word in words]
        return [BOUNDARY_ID, *ids, BOUNDARY_ID][:max_seq_length]

    def decode(self, ids: Sequence[int]) -> str:
        """The words up to the first 0. An encoded report begins with 0: decode its `ids[1:]`."""
        words = []
        for word_id in ids:
            if word_id == BOUNDARY_ID:
                break
            if not 0 < word_id <= len(self.words):
                raise ValueError(f'word ids are 1 to {len(self.words)}, got {word_id}')
            words.append(self.words[word_id - 1])
        return ' '.join(words)

    def ids_of(self, text: str) -> list[int]:
        """The inverse of `decode`, on its results: no cleaning, no 0."""
        return [self._id_of[word] for word in text.split()]

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The word of each id other than 0; a report's maps belong to these, in order."""
        return [self.words[word_id - 1] for word_id in ids if word_id != BOUNDARY_ID]

    def to_json(self) -> str:
        """The tokenizer as one JSON object, for a checkpoint."""
        return json.dumps({'cleaner': self.cleaner, 'words': self.words}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> 'Tokenizer':
        """The inverse of `to_json`; raises ValueError for any other text."""
        try:
            fields = json.loads(text)
            return cls(tuple(fields['words']), fields['cleaner'])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f'expected a vocabulary with words and cleaner, got {text[:40]!r} ({error})') from error

    @functools.cached_property
    def _id_of(self) -> dict[str, int]:
        return {word: number + 1 for number, word in enumerate(self.words)}
