import sys

import numpy as np
import pytest
from numpy_bert import chexbert
from tiny_chexbert import POSITIONS, WORDS

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.labeling.chexbert_labeler import WordPieces, chexbert_labeler
from camanet_jax.labeling.label_files import CHEXBERT_ORDER
from camanet_jax.scoring.score import Options, score

REPORTS = ['No small effusion.', 'Heart is normal', '', 'Pneumothorax, pneumothorax - 1', 'Small effusion. No heart.']


def oracle(state_dict, words):
    """Labels of one report by observation name."""
    logits = chexbert(state_dict, [WORDS.index(word) for word in words])[1]
    meaning = (-2, 1, 0, -1)  # blank, positive, negative, uncertain
    return {name: meaning[int(np.argmax(head))] for name, head in zip(CHEXBERT_ORDER, logits, strict=True)}


def test_labels_in_our_order_whatever_the_batch(files, state_dict):
    name, label, embed = chexbert_labeler(*files, batch_size=2)
    labels = label(REPORTS)
    assert name == 'chexbert'
    for row, words in ((labels[1], ['[CLS]', 'heart', 'is', 'normal', '[SEP]']), (labels[2], ['[CLS]', '[SEP]'])):
        expected = oracle(state_dict, words)
        assert row.tolist() == [expected[observation] for observation in OBSERVATIONS]
    np.testing.assert_array_equal(chexbert_labeler(*files, batch_size=8)[1](REPORTS), labels)
    assert set(np.unique(labels)) == {-2, -1, 0, 1}, 'the test sees every value'
    first = chexbert(state_dict, [WORDS.index(word) for word in ('[CLS]', 'heart', 'is', 'normal', '[SEP]')])[0]
    np.testing.assert_allclose(embed(REPORTS)[1], first, rtol=1e-4, atol=1e-5)


def test_no_reports(files):
    assert chexbert_labeler(*files)[1]([]).shape == (0, 14)


def test_clinical_efficacy_of_report_files(files, state_dict, tmp_path):
    (tmp_path / 'x.csv').write_text('id,report\na,heart is normal\nb,\n')
    (tmp_path / 'r.csv').write_text('id,report\na,small effusion\nb,heart is normal\n')
    found = score(
        Options(
            predictions=tmp_path / 'x.csv',
            references=tmp_path / 'r.csv',
            protocol='full',
            labeler='chexbert',
            weights=files[0],
            vocabulary=files[1],
        )
    )['clinical']
    assert found['labeler'] == 'chexbert'
    expected = [
        oracle(state_dict, ['[CLS]', *text.split(), '[SEP]']) for text in ('small effusion .', 'heart is normal .')
    ]
    support = {name: sum(labels[name] == 1 for labels in expected) for name in OBSERVATIONS}
    assert {name: row['support'] for name, row in found['uncertain_negative']['per_class'].items()} == support


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
    with pytest.raises(ValueError, match='absent.txt: cannot be read'):
        WordPieces(tmp_path / 'absent.txt', 3)
