"""Reports as CheXbert reads them: whitespace joined, WordPiece of bert-base-uncased, cut at the network's length."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

# Padded lengths: few, so that few shapes are compiled, yet short reports stay cheap.
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
        """[CLS], the report's pieces, [SEP]; at most as long as the network has positions."""
        joined = [' '.join(report.split()) for report in reports]
        return [encoding.ids for encoding in self._tokenizer.encode_batch(joined)]

    def padded(
        self, rows: Sequence[Sequence[int]], batch_size: int
    ) -> tuple[Int[np.ndarray, 'B L'], Bool[np.ndarray, 'B L']]:
        """Ids and the mask of tokens, filled up to `batch_size` rows and to the next of a few lengths."""
        longest = max(map(len, rows))
        length = min(next((n for n in LENGTHS if n >= longest), self._positions), self._positions)
        ids = np.zeros((batch_size, length), np.int32)
        mask = np.zeros((batch_size, length), bool)
        mask[:, 0] = True  # a row of padding still has something to attend to
        for row, (report_ids, report_mask) in zip(rows, zip(ids, mask, strict=True), strict=False):
            report_ids[: len(row)], report_mask[: len(row)] = row, True
        return ids, mask


def read_vocabulary(path: str | Path, size: int) -> dict[str, int]:
    """{word piece: id}, ids being line numbers from 0."""
    try:
        lines = Path(path).read_text(encoding='utf-8').split('\n')
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
