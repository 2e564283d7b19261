import sys

import numpy as np
import pytest
from tiny_chexbert import POSITIONS, WORDS

from camanet_jax.labeling.word_pieces import WordPieces


@pytest.fixture
def pieces(files):
    return WordPieces(files[1], len(WORDS), POSITIONS)


def named(ids):
    return [WORDS[number] for number in ids]


@pytest.mark.parametrize(
    'report, expected',
    [
        ('  No small\n\n effusion. ', ['[CLS]', 'no', 'small', 'effusion', '.', '[SEP]']),
        ('pneumothorax', ['[CLS]', 'pneu', '##mo', '##thorax', '[SEP]']),
        ('Café-effusion,xyz', ['[CLS]', 'cafe', '-', 'effusion', ',', '[UNK]', '[SEP]']),
        ('', ['[CLS]', '[SEP]']),
    ],
)
def test_pieces(pieces, report, expected):
    assert named(pieces.ids([report])[0]) == expected


def test_without_tokenizers_the_extra_is_named(files, monkeypatch):
    monkeypatch.setitem(sys.modules, 'tokenizers', None)
    with pytest.raises(ValueError, match=r'camanet_jax\[chexbert\]'):
        WordPieces(files[1], len(WORDS), POSITIONS)


def test_a_long_report_is_cut_and_still_ends_in_sep(pieces):
    (ids,) = pieces.ids(['no ' * 40])
    assert len(ids) == POSITIONS
    assert named(ids) == ['[CLS]', *['no'] * (POSITIONS - 2), '[SEP]']


def test_padding_to_a_length_and_a_full_batch(pieces):
    ids, mask = pieces.padded([[2, 5, 3], [2, 3]], 4)
    assert ids.shape == mask.shape == (4, POSITIONS)
    np.testing.assert_array_equal(mask.sum(1), [3, 2, 1, 1])
    np.testing.assert_array_equal(ids[:2, :4], [[2, 5, 3, 0], [2, 3, 0, 0]])


def test_refuses_another_vocabulary(files, tmp_path):
    with pytest.raises(ValueError, match=f'expected the 30522 word pieces .* got {len(WORDS)}'):
        WordPieces(files[1], 30522)
    other = tmp_path / 'vocab.txt'
    other.write_text('\n'.join(str(number) for number in range(len(WORDS))))
    with pytest.raises(ValueError, match=r'missing: \[PAD\]'):
        WordPieces(other, len(WORDS))
    with pytest.raises(ValueError, match='expected a text file'):
        WordPieces(tmp_path / 'absent.txt', 3)
