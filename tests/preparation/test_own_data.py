import csv
import json

import pytest
from films import film

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.preparation.own_data import collect_own

STUDIES = [
    ['a-1', 'train', 'Clear.', 'a.png'],
    ['a-2', 'train', 'Big heart.', 'b.png'],
    ['b-1', 'val', 'Clear.', 'c.png'],
    ['c-1', 'test', 'Clear.', 'd.png'],
]
HEADER = ['id', 'split', 'report', 'image_path']
CLEAN = {'a.png', 'b.png', 'c.png', 'd.png'}


@pytest.fixture
def own(tmp_path):
    """A function that writes a folder with a CSV of these lines and four films, and returns it."""
    folder = tmp_path / 'own'
    (folder / 'images').mkdir(parents=True)

    def write(lines, header=HEADER, images=CLEAN):
        for name in images:
            (folder / 'images' / name).write_bytes(film())
        with (folder / 'studies.csv').open('w', newline='') as file:
            csv.writer(file).writerows([header, *lines])
        return folder

    return write


def write_annotation(folder, lines, labels=None, **more):
    annotation = {split: [] for split in ('train', 'val', 'test')}
    for name, split, report, path in lines:
        annotation[split].append({'id': name, 'report': report, 'image_path': [path], **more})
    (folder / 'annotation.json').write_text(json.dumps(annotation))
    if labels is not None:
        (folder / 'labels.json').write_text(json.dumps(labels))


def faults(folder, tmp_path, **options):
    with pytest.raises(ValueError, match='faults in') as error:
        collect_own(folder, tmp_path / 'out', **options)
    found = json.loads((tmp_path / 'out/validation.json').read_text())
    assert all(kind in str(error.value) for kind in found)
    return found


def test_csv_becomes_studies(own, tmp_path):
    folder = own([*STUDIES, ['d', 'validate', 'Two.', 'a.png; b.png']])
    collected = collect_own(folder, tmp_path / 'out')
    assert [study.split for study in collected.studies] == ['train', 'train', 'val', 'val', 'test']
    assert collected.studies[3].image_paths == ('a.png', 'b.png')
    assert collected.images_dir == folder / 'images' and collected.studies[0].labels is None


def test_labels_are_found_by_name_in_any_order(own, tmp_path):
    order = sorted(OBSERVATIONS, reverse=True)
    row = ['1' if name == 'Edema' else '-1' if name == 'Fracture' else '' for name in order]
    folder = own([[*study, *row] for study in STUDIES], [*HEADER, *order])
    labels = collect_own(folder, tmp_path / 'out', uncertain='positive').studies[0].labels
    assert [name for name, value in zip(OBSERVATIONS, labels, strict=True) if value] == ['Edema', 'Fracture']
    with pytest.raises(ValueError, match='missing or repeated: Atelectasis, .*, Edema, Enl'):
        collect_own(own([study + [''] for study in STUDIES], [*HEADER, 'Fracture']), tmp_path / 'out')


def test_one_labels_column(own, tmp_path):
    folder = own([[*study, ' '.join('10000000000001')] for study in STUDIES], [*HEADER, 'labels'])
    assert collect_own(folder, tmp_path / 'out').studies[0].labels == (1,) + (0,) * 12 + (1,)


def test_all_faults_of_a_csv_are_found_in_one_pass(own, tmp_path):
    row = ' '.join('0' * 14)
    lines = [[*study, row] for study in STUDIES] + [
        ['a-1', 'test', 'Again.', 'c.png', row],
        ['e-1', 'train', '  ', 'd.png', row],
        ['f-1', 'train', 'Absent.', 'absent.png', row],
        ['g-1', 'train', 'Broken.', 'broken.png', row],
        ['h-1', 'train', 'Narrow.', 'a.png', row[:-2]],
        ['i-1', 'training', 'No such split.', 'a.png', row],
        ['j-1', 'train', 'Cut short.'],
    ]
    folder = own(lines, [*HEADER, 'labels'])
    (folder / 'images/broken.png').write_bytes(film()[:200])
    found = faults(folder, tmp_path, patient_rule=r'^(\w+)-')
    assert found['duplicate ids'] == ['a-1 in train line 2, test line 6']
    assert found['patients in two splits'] == ['patient a: train (a-1), test (a-1)']
    assert found['empty reports'] == ['e-1 (line 7)']
    assert found['missing files'] == ['f-1 (line 8): absent.png']
    assert len(found['unreadable images']) == 1 and 'g-1 (line 9)' in found['unreadable images'][0]
    assert found['label rows of the wrong width or value'] == ['h-1 (line 10): expected 14 values, got 13']
    assert found['malformed entries'] == [
        "line 11: expected split as one of train, val, test, got 'training'",
        'line 12: row of the wrong width: 3 of 5 cells',
    ]


def test_faults_of_an_annotation_are_found_too(own, tmp_path):
    folder = own([])
    labels = {'a-1': [0] * 14, 'a-2': [0] * 13, 'b-1': [2] * 14}
    write_annotation(folder, STUDIES, labels, subject_id=7)
    found = faults(folder, tmp_path)
    assert [fault.split(': ')[1] for fault in found['label rows of the wrong width or value']] == [
        'expected 14 values, got 13',
        'expected 1, 0, -1 or empty, got 2',
        'no row',
    ]
    assert found['patients in two splits'] == ['patient 7: train (a-1), val (b-1), test (c-1)']


def test_a_patient_column_is_used(own, tmp_path):
    folder = own([[*study, patient] for study, patient in zip(STUDIES, 'pqrq', strict=True)], [*HEADER, 'patient_id'])
    assert faults(folder, tmp_path) == {'patients in two splits': ['patient q: train (a-2), test (c-1)']}


def test_a_rule_that_is_no_expression_is_refused(own, tmp_path):
    with pytest.raises(ValueError, match=r"regular expression as --patient_rule, got '\(': missing \)"):
        collect_own(own(STUDIES), tmp_path / 'out', patient_rule='(')


def test_unclear_tables_are_refused(own, tmp_path):
    folder = own(STUDIES)
    (folder / 'other.csv').write_text('')
    with pytest.raises(ValueError, match='got other.csv, studies.csv; name the file with --table'):
        collect_own(folder, tmp_path / 'out')
    assert len(collect_own(folder, tmp_path / 'out', table=folder / 'studies.csv').studies) == 4
