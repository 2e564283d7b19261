import pytest

from camanet_jax.data import tokenizer
from camanet_jax.data.tokenizer import CLEANERS, Tokenizer
from camanet_jax.metrics.protocol import Recaser, cleaning_facts, compared_strings, cut_string, full_string

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


def test_raw_is_the_text_as_written():
    assert compared_strings('raw', [' A 1.5 cm nodule,\nleft. '], TOKENIZER, 60) == ['A 1.5 cm nodule,\nleft.']


def test_recasing_and_back():
    recase = Recaser(['A PICC line. No PICC seen. Pneumothorax: none, no pneumothorax.', 'The picc line.'])
    cleaned = 'picc is seen . no pneumothorax after picc 15 cm .'
    assert recase(cleaned) == 'PICC is seen. No pneumothorax after PICC 15 cm.'
    assert full_string(recase(cleaned), TOKENIZER) == cleaned
    assert recase('clear lungs. no picc..') == 'Clear lungs. No PICC.', 'as other programs write cleaned text'
    assert recase('') == '' and Recaser()('no picc') == 'No picc.'
    assert cleaning_facts('raw', TOKENIZER, 60, recase) == {
        'cleaner': None,
        'reports_recased': 'sentence capitals, forms of 5 train words',
    }


@pytest.mark.parametrize(
    'rule, value',
    [
        ('_ENUMERATION', ()),
        ('_DELETED_FIRST', {}),
        ('_DELETED_LAST', {}),
        ('_repeat_replace', lambda text, old, new, *, passes: text),
    ],
)
def test_the_digest_tells_rules_apart(monkeypatch, rule, value):
    before = {name: cleaning_facts('full', Tokenizer(('<unk>',), name), 60)['rules_sha256'] for name in CLEANERS}
    assert len(set(before.values())) == 2
    monkeypatch.setattr(tokenizer, rule, value)
    for name, digest in before.items():
        assert cleaning_facts('full', Tokenizer(('<unk>',), name), 60)['rules_sha256'] != digest


def test_the_digest_of_cut_tells_vocabulary_and_length():
    other = Tokenizer(('<unk>', 'clear'), 'iu_xray')
    digests = [
        cleaning_facts('cut', *rules)['rules_sha256'] for rules in ((TOKENIZER, 60), (TOKENIZER, 50), (other, 60))
    ]
    assert len(set(digests)) == 3


def test_unknown_protocols_and_no_room_for_words_are_refused():
    with pytest.raises(ValueError, match='of .*cut.*full.*, got .half'):
        compared_strings('half', ['the'], TOKENIZER, 60)
    with pytest.raises(ValueError, match='max_seq_length of 2 or more'):
        cut_string('the', TOKENIZER, 1)
