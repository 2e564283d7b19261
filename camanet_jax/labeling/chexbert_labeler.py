"""Reports to labels through CheXbert: word pieces, batches of similar lengths over all devices, classes to values."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.labeling.chexbert import ChexBert, read_chexbert
from camanet_jax.labeling.label_files import BLANK, FROM_CHEXBERT, NEGATIVE, POSITIVE, UNCERTAIN
from camanet_jax.labeling.rule_labeler import Labeler
from camanet_jax.run.files import read_text
from camanet_jax.sharding import make_mesh, put_batch, put_replicated

CLASS_VALUES = np.array([BLANK, POSITIVE, NEGATIVE, UNCERTAIN], np.int8)


class ChexBertLabeler:
    """Labels reports; weights and vocabulary are read once, each shape is compiled when it first occurs."""

    def __init__(self, weights: str | Path, vocabulary: str | Path, *, batch_size: int = 32, dtype: Any = jnp.float32):
        """Reads the authors' weights and the vocabulary of bert-base-uncased.

        Args:
          batch_size: reports per step over all devices; rounded up to a multiple of their number.
          dtype: of the computation; bfloat16 is faster and may change a label that was close.
        """
        model, variables = read_chexbert(weights, dtype)
        self._pieces = WordPieces(vocabulary, model.vocabulary_size, model.positions)
        self._width = model.width
        self._mesh = make_mesh()
        self._batch_size = -(-batch_size // self._mesh.size) * self._mesh.size
        self._variables = put_replicated(variables, self._mesh)
        self._read = jax.jit(functools.partial(read, model))

    def __call__(self, reports: Sequence[str]) -> Int[np.ndarray, 'B Y']:
        """Labels in the order of `OBSERVATIONS`: 1 positive, 0 negative, -1 uncertain, -2 blank."""
        return CLASS_VALUES[self._outputs(reports)[1]][:, FROM_CHEXBERT]

    def embed(self, reports: Sequence[str]) -> Float[np.ndarray, 'B D']:
        """The last layer's first token of each report, which SembScore compares."""
        return self._outputs(reports)[0]

    def _outputs(self, reports: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Embedding [B, D] and classes [B, Y] of each report, in the order given."""
        rows = self._pieces.ids(reports)
        first = np.empty((len(rows), self._width), np.float32)
        classes = np.empty((len(rows), len(OBSERVATIONS)), np.int8)
        longest_first = sorted(range(len(rows)), key=lambda index: -len(rows[index]))
        for start in range(0, len(rows), self._batch_size):
            indices = longest_first[start : start + self._batch_size]
            ids, mask = self._pieces.padded([rows[index] for index in indices], self._batch_size)
            batch = put_batch({'ids': ids, 'mask': mask}, self._mesh)
            outputs = jax.device_get(self._read(self._variables, **batch))
            first[indices], classes[indices] = (side[: len(indices)] for side in outputs)
        return first, classes


def read(model: ChexBert, variables: dict[str, Any], ids: Array, mask: Array) -> tuple[Array, Array]:
    """The first token [B, D], and the likeliest class of each head [B, Y]."""
    output = model.apply(variables, ids, mask)
    return output.first_token, output.logits.argmax(-1)


def chexbert_labeler(weights: str | Path, vocabulary: str | Path, **options: Any) -> Labeler:
    """CheXbert as a `Labeler`; the options are those of `ChexBertLabeler`."""
    chexbert = ChexBertLabeler(weights, vocabulary, **options)
    return Labeler('chexbert', chexbert, chexbert.embed)


# Padded lengths: few, so that few shapes are compiled, but enough to keep short reports cheap.
LENGTHS = (32, 64, 96, 128, 192, 256, 384, 512)
SPECIAL_TOKENS = ('[PAD]', '[UNK]', '[CLS]', '[SEP]')


class WordPieces:
    """Maps reports to token ids through a vocabulary file with one word piece a line (`vocab.txt`).

    Raises:
      ValueError: the file is not the vocabulary that the weights were trained with, or tokenizers is not installed.
    """

    def __init__(self, vocabulary: str | Path, vocabulary_size: int, positions: int = 512):
        try:
            from tokenizers import BertWordPieceTokenizer
        except ImportError as error:
            raise ValueError("CheXbert needs the package tokenizers: pip install 'camanet_jax[chexbert]'") from error
        pieces = read_vocabulary(vocabulary, vocabulary_size)
        self._tokenizer = BertWordPieceTokenizer(pieces, lowercase=True)
        # [CLS], the first pieces, [SEP]: a cut report still ends in [SEP].
        self._tokenizer.enable_truncation(positions)
        self._positions = positions

    def ids(self, reports: Sequence[str]) -> list[list[int]]:
        """Ids of [CLS], the report's pieces and [SEP], at most as many as the network has positions."""
        joined = [' '.join(report.split()) for report in reports]
        return [encoding.ids for encoding in self._tokenizer.encode_batch(joined)]

    def padded(
        self, rows: Sequence[Sequence[int]], batch_size: int
    ) -> tuple[Int[np.ndarray, 'B L'], Bool[np.ndarray, 'B L']]:
        """Ids and the mask of tokens, filled up to `batch_size` rows and to the next of a few lengths."""
        longest = max(map(len, rows))
        length = min(next(n for n in (*LENGTHS, self._positions) if n >= longest), self._positions)
        ids = np.zeros((batch_size, length), np.int32)
        mask = np.zeros((batch_size, length), bool)
        mask[:, 0] = True  # so that a row of padding has something to attend to
        for number, row in enumerate(rows):
            ids[number, : len(row)], mask[number, : len(row)] = row, True
        return ids, mask


def read_vocabulary(path: str | Path, size: int) -> dict[str, int]:
    """{word piece: id}, ids being line numbers from 0."""
    try:
        lines = read_text(Path(path)).split('\n')
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f'{path}: expected a text file with one word piece a line ({error})') from error
    pieces = {piece.rstrip('\r'): number for number, piece in enumerate(lines[:-1] if lines[-1] == '' else lines)}
    missing = [token for token in SPECIAL_TOKENS if token not in pieces]
    if missing or len(pieces) != size:
        raise ValueError(
            f'{path}: expected the {size} word pieces that the weights have rows for (vocab.txt of '
            f'bert-base-uncased), got {len(pieces)}; missing: {", ".join(missing) or "no special token"}'
        )
    return pieces
