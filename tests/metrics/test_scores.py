import json

import pytest

from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.metrics.constant_baseline import ConstantReport
from camanet_jax.metrics.scorer import Scorer
from camanet_jax.metrics.scores import score_predictions

REFERENCES = {
    'a': 'the heart is normal in size . the lungs are clear .',
    'b': 'there is a small left pleural effusion . the heart is enlarged .',
    'c': 'no acute disease . no pneumothorax .',
}
CONSTANT = ConstantReport('the heart is normal . the lungs are clear .', 1, 0.5)
TOKENIZER = Tokenizer.build(REFERENCES.values(), cleaner='iu_xray', threshold=1)


def rows(**reports):
    return [
        {'id': k, 'report': report, 'reference': '', 'reference_full': REFERENCES[k]} for k, report in reports.items()
    ]


def scored(predictions, **settings):
    return score_predictions(predictions, TOKENIZER, 60, with_meteor=False, **settings)


def test_perfect_reports():
    entry = scored(rows(**REFERENCES))
    for protocol in ('cut', 'full'):
        assert entry[protocol]['BLEU_4'] == pytest.approx(1)
        assert entry[protocol]['ROUGE_L'] == pytest.approx(1)
        assert entry['intervals'][protocol]['BLEU_4'] == pytest.approx((1, 1))
    assert entry['clinical']['uncertain_negative']['micro']['F1'] == 1
    assert entry['studies'] == entry['distinct_reports'] == 3


def test_empty_reports_score_zero():
    entry = scored(rows(a='', b='', c=''), constant=CONSTANT)
    assert set(entry['cut'].values()) == set(entry['full'].values()) == {0.0}
    assert entry['distinct_reports'] == 1
    assert entry['constant_baseline']['difference']['cut']['BLEU_1']['high'] < 0
    # No Finding is read off texts that name nothing, but not off none.
    assert entry['clinical']['uncertain_negative']['micro']['F1'] == 0


def test_the_entry_is_json_and_repeatable():
    predictions = rows(a=REFERENCES['a'], b='the heart is normal .', c='no disease .')
    first = scored(predictions, constant=CONSTANT, resamples=50, seed=3)
    assert json.loads(json.dumps(first)) == json.loads(
        json.dumps(scored(predictions, constant=CONSTANT, resamples=50, seed=3))
    )
    low, high = first['intervals']['cut']['CIDEr']
    assert low <= first['cut']['CIDEr'] <= high
    assert first['constant_baseline']['BLEU_4'] > 0
    assert first['constant_baseline']['validation_BLEU_4'] == 0.5


def test_the_cut_protocol_cuts_long_references():
    predictions = rows(b='there is a small left pleural effusion .')
    entry = score_predictions(predictions, TOKENIZER, 9, with_meteor=False)
    assert entry['cut']['BLEU_1'] == pytest.approx(1)
    assert entry['full']['BLEU_1'] < 0.8


def test_the_lead_over_shuffled_reports():
    predictions = rows(**REFERENCES)
    shuffled = ['heart .'] * 3
    lead = scored(predictions, control=shuffled)['shuffled_images']['difference']
    assert lead['cut']['ROUGE_L']['low'] > 0
    assert lead['clinical']['micro_F1']['difference'] > 0
    same = scored(predictions, control=list(REFERENCES.values()))['shuffled_images']['difference']
    assert same['full']['CIDEr']['difference'] == same['clinical']['micro_F1']['difference'] == 0


def test_the_predictions_are_scored_once_beside_shuffled_reports(monkeypatch):
    scored_sets, score = [], Scorer.score
    monkeypatch.setattr(Scorer, 'score', lambda *args, **named: scored_sets.append(args[1]) or score(*args, **named))
    scored(rows(a='x', b='y', c='z'), constant=CONSTANT, control=['y', 'z', 'x'])
    assert list(map(list, scored_sets)) == [list('xyz'), [CONSTANT.report] * 3, list('yzx')]


@pytest.mark.parametrize(
    'faulty, message',
    [
        ([], 'at least one prediction'),
        (rows(a='x') * 2, 'row 1 repeats id a'),
        ([{'report': 'x', 'reference_full': 'y'}], 'row 0 has no id'),
        ([{'id': 'a', 'report': None, 'reference_full': 'y'}], r'row 0 \(a\) has no report text'),
        ([{'id': 'a', 'report': 'x', 'reference_full': ' '}], r'row 0 \(a\) has no reference_full'),
    ],
)
def test_faulty_predictions_are_named(faulty, message):
    with pytest.raises(ValueError, match=message):
        scored(faulty)


def test_unknown_uncertain_policy_is_refused():
    with pytest.raises(ValueError, match='uncertain as one of'):
        scored(rows(a='x'), uncertain='maybe')
