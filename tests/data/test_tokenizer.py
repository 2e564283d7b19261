import gzip
import json
import pickle

import pytest

from camanet_jax.data.schema import read_annotation
from camanet_jax.data.tokenizer import UNKNOWN, Tokenizer


@pytest.fixture(scope='module')
def reference(shared_dir):
    with gzip.open(shared_dir / 'reference/tokenizer.json.gz') as file:
        return json.load(file)


@pytest.fixture(scope='module')
def studies(shared_dir):
    return read_annotation(shared_dir / 'data/iu_xray')


@pytest.fixture(params=[('iu_xray', 'iu_xray'), ('mimic_cxr', 'mimic_cxr_on_iu_text')])
def case(request, reference, studies):
    cleaner, key = request.param
    train_reports = [study.report for study in studies if study.split == 'train']
    threshold = reference[key]['threshold']
    tokenizer = Tokenizer.build(train_reports, cleaner=cleaner, threshold=threshold)
    return tokenizer, reference[key]


def test_vocabulary_equals_the_reference(case):
    tokenizer, expected = case
    assert list(tokenizer.words) == expected['vocabulary']


def test_ids_of_all_reports_equal_the_reference(case, studies):
    tokenizer, expected = case
    for study in studies:
        assert tokenizer.encode(study.report) == expected['ids'][study.split][study.id]


def test_hard_texts_equal_the_reference(case):
    tokenizer, expected = case
    for report, cleaned in expected['cleaned_cases']:
        assert tokenizer.clean(report) == cleaned
    for report, ids in expected['id_cases']:
        assert tokenizer.encode(report) == ids
    for ids, text in expected['decode_cases']:
        assert tokenizer.decode(ids) == text


def test_178_train_reports_of_iu_are_cut(reference, studies):
    tokenizer = Tokenizer(tuple(reference['iu_xray']['vocabulary']), 'iu_xray')
    encoded = [tokenizer.encode(study.report, 60) for study in studies if study.split == 'train']
    assert max(map(len, encoded)) == 60
    assert sum(ids[-1] != 0 for ids in encoded) == 178


def small_tokenizer():
    return Tokenizer.build(['Lungs clear.', 'Lungs big.'], cleaner='iu_xray', threshold=2)


def test_rare_words_become_unknown():
    tokenizer = small_tokenizer()
    assert tokenizer.words == ('.', UNKNOWN, 'lungs')
    assert tokenizer.encode('Lungs hazy.') == [0, 3, 2, 1, 0]
    assert tokenizer.decode([3, 2, 1, 0]) == 'lungs <unk> .'


def test_json_and_pickle_keep_the_tokenizer():
    tokenizer = small_tokenizer()
    tokenizer.encode('Lungs clear.')
    assert Tokenizer.from_json(tokenizer.to_json()) == tokenizer
    assert pickle.loads(pickle.dumps(tokenizer)).encode('clear') == tokenizer.encode('clear')


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="one of .*iu_xray.* got 'iu'"):
        Tokenizer.build(['a'], cleaner='iu', threshold=1)
    with pytest.raises(ValueError, match='1 to 3, got 4'):
        small_tokenizer().decode([4])
