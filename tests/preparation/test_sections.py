"""Sections as targets: chosen when a folder is prepared or read, and what indications tell of the patient."""

import json

import pytest
from films import film
from ml_collections import ConfigDict

from camanet_jax.data.schema import Study
from camanet_jax.data.sources import open_sources
from camanet_jax.experiment import open_splits
from camanet_jax.preparation.own_data import find_problems
from camanet_jax.preparation.own_folder import read_rows
from camanet_jax.preparation.sections import patient_details, section_of, with_section

WHOLE = {'findings': ' The lungs are clear. ', 'impression': 'Normal.'}


def test_findings_impression_or_both():
    sections = [section_of(WHOLE, section) for section in ('findings', 'impression', 'both')]
    assert sections == [' The lungs are clear. ', 'Normal.', 'The lungs are clear. Normal.']
    assert section_of({'findings': 'Clear.'}, 'both') == ''
    with pytest.raises(ValueError, match="one of findings, impression, both, got 'findngs'"):
        section_of(WHOLE, 'findngs')


@pytest.mark.parametrize(
    ('indication', 'details'),
    [
        ('A 57-year-old woman with cough.', {'age': '57', 'sex': 'F'}),
        ('XXXX-year-old male, chest pain', {'sex': 'M'}),
        ('___ year old man with fever', {'sex': 'M'}),
        ('History: ___F with dyspnea // f/u pneumonia', {'sex': 'F'}),
        ('81M s/p fall', {'age': '81', 'sex': 'M'}),
        ('45 y/o F with cough for 3 days', {'age': '45', 'sex': 'F'}),
        ('Rule out TB. The patient and his wife (a woman of 50) cough; he is male.', {}),
        ('53yof pre-op', {'age': '53', 'sex': 'F'}),
        ('Male, stroke 2 years ago, f/u', {'sex': 'M'}),
        ('', {}),
    ],
)
def test_age_and_sex_as_far_as_they_are_told(indication, details):
    assert patient_details(indication) == details


@pytest.fixture
def folder(tmp_path):
    """Two train studies, of which one has no impression, and one for each other split."""
    (tmp_path / 'images').mkdir()
    annotation = {}
    for split, names in {'train': 'ab', 'val': 'c', 'test': 'd'}.items():
        annotation[split] = [
            {'id': name, 'report': f'Report {name}.', 'image_path': [f'{name}.png'], **WHOLE} for name in names
        ]
        for name in names:
            (tmp_path / f'images/{name}.png').write_bytes(film())
    annotation['train'][0] |= {'age': 57, 'view': 'PA'}
    del annotation['train'][1]['impression']
    (tmp_path / 'annotation.json').write_text(json.dumps(annotation))
    return tmp_path


def open_train(folder, **options):
    return open_sources(['train'], name='study_folder', data_dir=folder, views=1, labels_required=False, **options)[0]


def test_records_keep_the_details_and_the_report_is_the_annotations(folder):
    source = open_train(folder)
    assert (source.section, source.reports) == ('', ['Report a.', 'Report b.'])
    first, second = source.records[0], source.records[1]
    assert {name: first[name] for name in ('age', 'view', 'impression')} == {
        'age': '57', 'view': ['PA'], 'impression': 'Normal.'
    }  # fmt: skip
    assert (second['age'], second['view'], second['impression']) == ('', [''], '') and 'sex' not in second


def test_a_section_takes_the_reports_place(folder, caplog):
    caplog.set_level('INFO')
    source = open_train(folder, section='impression')
    assert (source.section, source.reports, source.records[0]['report']) == ('impression', ['Normal.'], 'Normal.')
    assert "left out 1 of 4 studies, without the section 'impression'" in caplog.text
    assert source.content != open_train(folder).content


def test_the_configuration_chooses_it(folder):
    data = dict(name='study_folder', views=1, extra_views='error', section='both', options={'labels_required': False})
    data |= dict(eval_transform='paper', resize_size=256, fewer_views='error', extras=())
    config = ConfigDict(dict(data_dir=str(folder), cache_dir='', data=data))
    assert open_splits(config, ['train'])[0].reports == ['The lungs are clear. Normal.']
    config.data.name = 'synthetic'
    with pytest.raises(ValueError, match="synthetic reports, which have one section, got 'both'"):
        open_splits(config, ['train'])


def test_a_table_of_own_data_may_have_details(folder):
    (folder / 'table.csv').write_text(
        'id,split,report,image_path,indication,age,view\na,train,Clear.,a.png;b.png,Cough,57,PA;LATERAL\n'
        'c,val,Clear.,c.png,,,\nd,test,Clear.,d.png,,,PA;AP\n'
    )
    rows = read_rows(folder, folder / 'table.csv')
    assert [row.details for row in rows][:2] == [{'indication': 'Cough', 'age': '57', 'view': ('PA', 'LATERAL')}, {}]
    assert find_problems(rows, folder / 'images', '', False) == {
        'malformed entries': ["line 4: expected a view for each of 1 images, got ['PA', 'AP']"]
    }


def test_a_section_that_nobody_has_is_refused(folder):
    with pytest.raises(ValueError, match="with the section 'impression', got none in 1. annotation.json keeps"):
        with_section([Study('a', 'train', 'Report.', None, ('a.png',))], 'impression', folder)


def test_views_are_one_for_each_image(folder):
    content = json.loads((folder / 'annotation.json').read_text())
    content['val'][0]['view'] = ['PA', 'LATERAL']
    content['test'][0]['findings'] = {}
    (folder / 'annotation.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match='"view" must be a text for each image'):
        open_train(folder)
