import gzip
import json
import re
import zipfile

import pytest

from camanet_jax.data.schema import UNLABELLED
from camanet_jax.preparation.mimic_cxr import collect_mimic_cxr, find_table, study_number
from camanet_jax.preparation.prepare import label_from_mimic_table


def samples(collected):
    return {study.id: (study.split, *study.image_paths) for study in collected.studies}


def test_a_sample_for_each_film_of_described_studies(mimic_cxr):
    collected = collect_mimic_cxr(mimic_cxr)
    assert list(samples(collected)) == ['aa-01', 'aa-02', 'aa-03', 'cc-01', 'dd-01', 'dd-02']
    assert samples(collected)['cc-01'] == ('val', 'p11/p11000002/s50000003/cc-01.jpg')
    assert collected.studies[0].report == 'Study 50000001 is made up.\n Nothing in it is real.'
    assert all((collected.images_dir / path).is_file() for study in collected.studies for path in study.image_paths)


def test_a_sample_for_each_study_with_its_films_frontal_first(mimic_cxr):
    found = samples(collect_mimic_cxr(mimic_cxr, samples='study'))
    folder = 'p10/p10000001/s50000001/'
    assert found == {
        '50000001': ('train', f'{folder}aa-03.jpg', f'{folder}aa-02.jpg', f'{folder}aa-01.jpg'),
        '50000003': ('val', 'p11/p11000002/s50000003/cc-01.jpg'),
        '50000004': ('test', 'p19/p19000003/s50000004/dd-01.jpg', 'p19/p19000003/s50000004/dd-02.jpg'),
    }


def test_details_are_kept_and_another_section_may_be_the_target(mimic_cxr, tmp_path):
    collected = collect_mimic_cxr(mimic_cxr, samples='study', section='impression')
    studies = {study.id: study for study in collected.studies}
    assert set(studies) == {f'5000000{n}' for n in range(1, 5)}, 'the second has no FINDINGS'
    assert {study.report for study in studies.values()} == {'Invented.'} and collected.facts['section'] == 'impression'
    assert studies['50000001'].details | {'findings': ''} == {
        'findings': '',
        'impression': 'Invented.',
        'indication': '___ year old invented person.',
        'view': ('PA', 'AP', 'LATERAL'),
    }
    (tmp_path / 'annotation.json').write_text('{}')
    with pytest.raises(ValueError, match='expected --section=findings, which is all it holds, got both'):
        collect_mimic_cxr(mimic_cxr, annotation=tmp_path / 'annotation.json', section='both')


@pytest.mark.parametrize(
    ('views', 'ids'),
    [('PA', ['aa-03', 'cc-01', 'dd-01']), ('AP', ['aa-02']), ('frontal', ['aa-02', 'aa-03', 'cc-01', 'dd-01'])],
)
def test_views_are_chosen(mimic_cxr, views, ids):
    assert list(samples(collect_mimic_cxr(mimic_cxr, views=views))) == ids


@pytest.mark.parametrize('where', ['beside', 'among the films', 'elsewhere'])
def test_reports_are_read_unpacked_too(mimic_cxr, tmp_path, where):
    archive = mimic_cxr / 'mimic-cxr-reports.zip'
    targets = {'beside': mimic_cxr / 'mimic-cxr-reports', 'among the films': mimic_cxr, 'elsewhere': tmp_path / 'x'}
    target = targets[where]
    expected = collect_mimic_cxr(mimic_cxr).studies
    zipfile.ZipFile(archive).extractall(target)
    archive.unlink()
    reports = target if where == 'elsewhere' else None
    assert collect_mimic_cxr(mimic_cxr, reports=reports).studies == expected


def test_r2gens_annotation_is_taken_as_it_is(mimic_cxr, tmp_path, caplog):
    entry = {
        'id': 'dd-02',
        'study_id': 50000004,
        'subject_id': 19000003,
        'report': 'Made up.\n Shorter.',
        'image_path': ['p19/p19000003/s50000004/dd-02.jpg'],
        'split': 'val',
    }
    path = tmp_path / 'mimic_annotation.json'
    path.write_text(json.dumps({'train': [], 'val': [entry], 'test': []}))
    (mimic_cxr / 'mimic-cxr-reports.zip').unlink()  # not needed then
    [study] = collect_mimic_cxr(mimic_cxr, annotation=path).studies
    assert (study.id, study.split, study.report) == ('dd-02', 'val', 'Made up.\n Shorter.')
    assert study_number(study) == '50000004'


@pytest.mark.parametrize(('uncertain', 'last'), [('negative', 0), ('positive', 1), ('ignore', -1)])
def test_shipped_labels_are_put_to_samples(mimic_cxr, uncertain, last):
    studies = collect_mimic_cxr(mimic_cxr).studies
    table = find_table(mimic_cxr, 'chexpert')
    labels = {study.id: study.labels for study in label_from_mimic_table(studies, table, uncertain)}
    assert labels['aa-01'] == labels['aa-03'] == (1,) + (0,) * 12 + (last,)
    assert labels['cc-01'] == (0,) * 8 + (1,) + (0,) * 5
    assert labels['dd-01'] == (UNLABELLED,) * 14  # a study without row


def test_label_tables_of_other_studies_are_refused_and_other_spellings_read(mimic_cxr):
    studies = collect_mimic_cxr(mimic_cxr).studies
    table = find_table(mimic_cxr, 'chexpert')
    whole = gzip.decompress(table.read_bytes()).decode()
    expected = label_from_mimic_table(studies, table, 'negative')
    for spelling in ('s50', '50'):
        table.write_bytes(gzip.compress(re.sub(r',50(\d+)', rf',{spelling}\1', whole).encode()))
        assert label_from_mimic_table(studies, table, 'negative') == expected
    table.write_bytes(gzip.compress(whole.replace(',50', ',90').encode()))
    with pytest.raises(ValueError, match='none of its . rows is of one of the . studies; its study_id looks like 90'):
        label_from_mimic_table(studies, table, 'negative')


def test_missing_parts_are_named(mimic_cxr, tmp_path):
    with pytest.raises(ValueError, match='expected mimic-cxr-2.0.0-negbio.csv.gz'):
        find_table(mimic_cxr, 'negbio')
    (mimic_cxr / 'mimic-cxr-reports.zip').unlink()
    with pytest.raises(ValueError, match='not part of MIMIC-CXR-JPG.*--reports'):
        collect_mimic_cxr(mimic_cxr)
    with pytest.raises(ValueError, match='expected .* files/'):
        collect_mimic_cxr(tmp_path)
