from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.metrics.verbatim import copied_share, train_texts

TRAIN = ['The heart is normal.', 'The heart is normal.', 'The lungs are hyperexpanded and clear.']
TOKENIZER = Tokenizer.build(TRAIN, cleaner='iu_xray', threshold=2)


def share(report, max_seq_length=60):
    return copied_share([report], train_texts(TRAIN, TOKENIZER, max_seq_length), TOKENIZER, max_seq_length)


def test_cleaning_makes_no_difference():
    assert share('the heart is normal .') == share('The heart  is NORMAL.') == {'cut': 1, 'full': 1}
    assert share('the heart is large .') == share('') == {'cut': 0, 'full': 0}


def test_what_a_model_writes_for_a_rare_or_cut_report_is_a_copy_under_cut():
    assert share('the <unk> <unk> <unk> <unk> <unk> .') == {'cut': 1, 'full': 0}
    assert share('the heart', max_seq_length=3) == {'cut': 1, 'full': 0}


def test_the_share_is_over_reports():
    train = train_texts(TRAIN, TOKENIZER, 60, ('full',))
    reports = ['the heart is normal .'] * 3 + ['other .']
    assert copied_share(reports, train, TOKENIZER, 60) == {'full': 0.75}
