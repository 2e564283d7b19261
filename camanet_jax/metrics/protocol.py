"""The protocols `cut`, `full`, `raw` and `rexrank`: each turns a report into the string that is compared.

Language scores in this field depend on how the texts were prepared, so no score is given
without its protocol:

`cut`, the field's: report and reference are cleaned, words outside the train vocabulary become
    `<unk>`, and what is left is cut to `max_seq_length - 1` words. Long references lose their end.
`full`: both are cleaned and compared whole.
`raw`: both as written, for scores that were made for real text.
`rexrank`: both as written, with the scores of that leaderboard (`metrics.rexrank`) in place of the field's.

Cleaning is repeatable, so decoded and already cleaned reports may come in as well as written ones.
"""

import collections
import hashlib
import re
from collections.abc import Iterable
from typing import Any

from camanet_jax.data.tokenizer import Tokenizer, cleaning_digest

_LINE_END = re.compile('\r\n|[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]')
CLEANED = ('cut', 'full')
WRITTEN = ('raw', 'rexrank')
PROTOCOLS = (*CLEANED, *WRITTEN)


def compared_strings(protocol: str, texts: Iterable[str], tokenizer: Tokenizer, max_seq_length: int) -> list[str]:
    """The compared strings of reports or references under one of `PROTOCOLS`."""
    if protocol not in PROTOCOLS:
        raise ValueError(f'Expected a protocol of {PROTOCOLS}, got {protocol!r}.')
    if protocol in WRITTEN:
        return [text.strip() for text in texts]
    if protocol == 'full':
        return [full_string(text, tokenizer) for text in texts]
    return [cut_string(text, tokenizer, max_seq_length) for text in texts]


def one_line(text: str) -> str:
    """A text with blanks for its line ends, which is scored the same. (IU X-Ray's cleaner keeps them.)"""
    return _LINE_END.sub(' ', text)


def cut_string(text: str, tokenizer: Tokenizer, max_seq_length: int) -> str:
    """A text under `cut`; `max_seq_length` counts ids, the leading boundary included."""
    if max_seq_length < 2:
        raise ValueError(f'Expected max_seq_length of 2 or more (one word), got {max_seq_length}.')
    if not text.strip():
        return ''
    return tokenizer.decode(tokenizer.encode(one_line(text), max_seq_length)[1:])


def full_string(text: str, tokenizer: Tokenizer) -> str:
    """A text under `full`."""
    # Cleaning ends every text with a full stop; an empty report must stay without a word.
    return ' '.join(tokenizer.clean(one_line(text)).split()) if text.strip() else ''


class Recaser:
    """Writes a cleaned report as sentences are written: full stops close up and sentences begin with a capital.

    Words take the form that they mostly have inside the sentences of the train reports ("picc" becomes "PICC"). Commas,
    and the points inside numbers, stay lost.
    """

    def __init__(self, train_reports: Iterable[str] = ()):
        counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
        for report in train_reports:
            for sentence in re.split(r'[.?!:]\s+', report):
                for word in re.findall(r'[\w-]+', sentence)[1:]:
                    counts[word.lower()][word] += 1
        self._forms = {word: forms.most_common(1)[0][0] for word, forms in counts.items()}

    def __call__(self, report: str) -> str:
        """The report with its capitals and full stops."""
        sentences = [
            ' '.join(self._forms.get(word, word) for word in sentence.split())
            for sentence in re.split(r'\s*\.+(?:\s+|$)', report.strip())
        ]
        return ' '.join(f'{sentence[0].upper()}{sentence[1:]}.' for sentence in sentences if sentence)

    def __str__(self) -> str:
        """The name that stands with the scores."""
        return f'sentence capitals, forms of {len(self._forms)} train words'


def cleaning_facts(
    protocol: str, tokenizer: Tokenizer, max_seq_length: int, recaser: Recaser | None = None
) -> dict[str, Any]:
    """The cleaning that a protocol applies, with a digest of its rules: equal digests mean equal cleaning."""
    if protocol not in CLEANED:
        return {'cleaner': None, **({'reports_recased': str(recaser)} if recaser else {})}
    digest = cleaning_digest(tokenizer.cleaner)
    if protocol == 'full':
        return {'cleaner': tokenizer.cleaner, 'rules_sha256': digest}
    rules = f'{digest} {tokenizer.to_json()} {max_seq_length}'
    return {
        'cleaner': tokenizer.cleaner,
        'vocabulary': len(tokenizer),
        'max_seq_length': max_seq_length,
        'rules_sha256': hashlib.sha256(rules.encode()).hexdigest(),
    }
