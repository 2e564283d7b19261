"""How a report becomes the string that is compared: the protocols `cut` and `full`.

Language scores of this field depend on what was done to the texts before, so no score is given
without its protocol:

`cut`, the field's: report and reference are cleaned, words outside the train vocabulary become
    `<unk>`, and what is left is cut to `max_seq_length - 1` words. Long references lose their end.
`full`: both are cleaned and compared whole.

Cleaning is repeatable, so decoded and already cleaned reports may come in as well as written ones.
"""

from collections.abc import Iterable

from camanet_jax.data.tokenizer import Tokenizer

PROTOCOLS = ('cut', 'full')


def compared_strings(protocol: str, texts: Iterable[str], tokenizer: Tokenizer, max_seq_length: int) -> list[str]:
    """The compared strings of reports or references under one of `PROTOCOLS`."""
    if protocol not in PROTOCOLS:
        raise ValueError(f'Expected a protocol of {PROTOCOLS}, got {protocol!r}.')
    if protocol == 'full':
        return [full_string(text, tokenizer) for text in texts]
    return [cut_string(text, tokenizer, max_seq_length) for text in texts]


def cut_string(text: str, tokenizer: Tokenizer, max_seq_length: int) -> str:
    """A text under `cut`; `max_seq_length` counts ids, the leading boundary included."""
    if max_seq_length < 2:
        raise ValueError(f'Expected max_seq_length of 2 or more (one word), got {max_seq_length}.')
    if not text.strip():
        return ''
    return tokenizer.decode(tokenizer.encode(text, max_seq_length)[1:])


def full_string(text: str, tokenizer: Tokenizer) -> str:
    """A text under `full`."""
    # Cleaning ends every text with a full stop; an empty report must stay without a word.
    return ' '.join(tokenizer.clean(text).split()) if text.strip() else ''
