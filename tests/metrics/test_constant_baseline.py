import numpy as np
import pytest

from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.metrics import constant_baseline
from camanet_jax.metrics.constant_baseline import bleu_4_of_constants, copied_share, select_constant_report, train_texts
from camanet_jax.metrics.nlg import score_reports

NORMAL = 'The heart is normal. The lungs are clear.'
EFFUSION = 'There is a small left pleural effusion.'
REFERENCES = ['the heart is normal . lungs clear .', 'the the lungs are clear . no effusion .']


def test_scores_equal_those_of_the_repeated_report():
    candidates = ['the heart is normal . the lungs are clear .', 'no effusion .', 'zebra']
    found = bleu_4_of_constants(candidates, REFERENCES)
    for candidate, bleu_4 in zip(candidates, found, strict=True):
        repeated = score_reports([candidate] * 2, REFERENCES, with_meteor=False)
        assert bleu_4 == pytest.approx(repeated.corpus['BLEU_4'], rel=1e-12)


def test_the_report_that_fits_the_validation_split_wins_over_the_more_frequent():
    train = [EFFUSION, EFFUSION, NORMAL]
    tokenizer = Tokenizer.build(train, cleaner='iu_xray', threshold=1)
    found = select_constant_report(train, [NORMAL, NORMAL.upper(), EFFUSION], tokenizer, 60)
    assert found.report == 'the heart is normal . the lungs are clear .'
    assert found.train_studies == 1
    assert 0 < found.validation_bleu_4 < 1


def test_of_equally_good_reports_the_most_frequent_wins():
    train = [EFFUSION.replace('left', 'right'), EFFUSION, EFFUSION.lower()]
    tokenizer = Tokenizer.build(train, cleaner='iu_xray', threshold=1)
    found = select_constant_report(train, ['unlike .'], tokenizer, 60)
    assert found.train_studies == 2


def test_a_report_that_is_there_once_wins_over_a_thousand_others():
    train = [f'report {number}' for number in range(1000) for _ in range(2)] + [NORMAL]
    tokenizer = Tokenizer.build(train, cleaner='iu_xray', threshold=1)
    assert select_constant_report(train, [NORMAL], tokenizer, 60).validation_bleu_4 == pytest.approx(1)


def test_many_validation_studies_are_subsampled_always_in_the_same_way(monkeypatch):
    seen = []

    def scores(candidates, references):
        seen.append(list(references))
        return np.zeros(len(candidates))

    monkeypatch.setattr(constant_baseline, 'bleu_4_of_constants', scores)
    tokenizer = Tokenizer(('<unk>', *map(str, range(10))), 'iu_xray')
    validation = [f'{n // 100} {n // 10 % 10} {n % 10}' for n in range(600)]
    for _ in range(2):
        select_constant_report([NORMAL], validation, tokenizer, 60)
    assert len(set(seen[0])) == 500 and seen[0] == seen[1]


def test_empty_splits_are_refused():
    tokenizer = Tokenizer(('<unk>',), 'iu_xray')
    with pytest.raises(ValueError, match='got 1 and 0'):
        select_constant_report([NORMAL], [], tokenizer, 60)


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
