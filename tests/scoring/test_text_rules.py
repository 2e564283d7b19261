import json

import pytest

from camanet_jax.configuration import recipe
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.scoring.report_rows import DataFolder, read_data_folder
from camanet_jax.scoring.text_rules import RECIPES, choose_rules, run_folder


@pytest.mark.parametrize('name', ['iu_xray', 'mimic'])
def test_recipes_are_those_of_the_configurations(name):
    data = recipe(name).data
    assert RECIPES[data.cleaner] == (data.threshold, data.max_seq_length)


def folder(study_id):
    return DataFolder(None, {'train': [(study_id, 'The heart is normal.')], 'val': [], 'test': []})


@pytest.mark.parametrize(
    'study_id, cleaner',
    [
        ('CXR3030_IM-1405', 'iu_xray'),
        ('50414267', 'mimic_cxr'),
        ('02aa804e-bde0afdd-112c0b34-7bc16630-4e384014', 'mimic_cxr'),
        ('00000075_000', 'iu_xray'),
    ],
)
def test_the_data_set_is_known_by_its_ids(study_id, cleaner):
    rules = choose_rules('cut', None, folder(study_id))
    assert (rules.facts['cleaner'], rules.max_seq_length) == (cleaner, RECIPES[cleaner].max_seq_length)
    assert choose_rules('cut', None, folder(study_id), cleaner='iu_xray').facts['cleaner'] == 'iu_xray'


def test_a_run_brings_its_own(tmp_path):
    tokenizer = Tokenizer.build(['x y'], cleaner='mimic_cxr', threshold=1)
    (tmp_path / 'vocabulary.json').write_text(tokenizer.to_json())
    (tmp_path / 'config.json').write_text(json.dumps({'data': {'max_seq_length': 9, 'threshold': 1}}))
    run = run_folder(tmp_path / 'predictions/test.jsonl')
    assert choose_rules('cut', run, None)[:2] == (tokenizer, 9)
    assert choose_rules('cut', run, folder('CXR1'), threshold=1).facts['vocabulary'] == 6
    assert run_folder(tmp_path / 'test.jsonl') is None


def test_faults_of_a_folder(tmp_path):
    path = tmp_path / 'annotation.json'
    for content, message in (
        ({'train': []}, 'expected train reports'),
        ({'train': [{'id': 'a', 'report': None}]}, 'reports as text, got others in 1 study: a'),
    ):
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=message):
            read_data_folder(path)
    path.write_text(json.dumps({'train': [{'id': 'a', 'report': 'x'}, {'id': 'a', 'report': 'y'}]}))
    with pytest.raises(ValueError, match='a has two different reports in train'):
        read_data_folder(tmp_path).by_id('train')
