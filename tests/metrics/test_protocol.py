import pytest

from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.metrics.protocol import compared_strings, cut_string, full_string

TOKENIZER = Tokenizer(('.', '<unk>', 'clear', 'heart', 'lungs', 'normal', 'the'), 'iu_xray')


def test_cut_cleans_replaces_rare_words_and_cuts():
    report = 'The heart: normal. The lungs are clear.'
    assert cut_string(report, TOKENIZER, 60) == 'the heart normal . the lungs <unk> clear .'
    assert cut_string(report, TOKENIZER, 6) == 'the heart normal . the'


def test_full_cleans_and_keeps_everything():
    report = 'The heart: normal. The lungs are  clear.'
    assert full_string(report, TOKENIZER) == 'the heart normal . the lungs are clear .'


@pytest.mark.parametrize('protocol', ['cut', 'full'])
def test_compared_strings_are_their_own_compared_strings(protocol):
    once = compared_strings(protocol, ['Normal heart, RARE things. Clear lungs'], TOKENIZER, 60)
    assert compared_strings(protocol, once, TOKENIZER, 60) == once


@pytest.mark.parametrize('protocol', ['cut', 'full'])
def test_an_empty_report_has_no_words(protocol):
    assert compared_strings(protocol, ['', ' \n'], TOKENIZER, 60) == ['', '']


def test_unknown_protocols_and_no_room_for_words_are_refused():
    with pytest.raises(ValueError, match='of .*cut.*full.*, got .half'):
        compared_strings('half', ['the'], TOKENIZER, 60)
    with pytest.raises(ValueError, match='max_seq_length of 2 or more'):
        cut_string('the', TOKENIZER, 1)
