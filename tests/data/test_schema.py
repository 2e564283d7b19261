import json

import pytest

from camanet_jax.data.schema import OBSERVATIONS, Study, check_labels, label_row, read_annotation


def write_folder(folder, *, labels=True, **changes):
    """Two valid studies; `changes` replace fields of the first."""
    studies = [{'id': f'CXR{n}_IM-7-x', 'report': 'Lungs clear.', 'image_path': [f'{n}.png']} for n in (1, 2)]
    studies[0].update(changes)
    (folder / 'annotation.json').write_text(json.dumps({'train': studies}))
    rows = {'CXR1_IM-7': [0] * 13 + [1], 'CXR2_IM-7-x': [1] + [0] * 13}
    if labels:
        (folder / 'labels.json').write_text(json.dumps(rows if labels is True else labels))


def test_observations_are_fourteen_in_alphabetical_order():
    assert len(OBSERVATIONS) == 14
    assert list(OBSERVATIONS) == sorted(OBSERVATIONS)


def test_reads_studies_with_short_and_whole_label_keys(tmp_path):
    write_folder(tmp_path)
    first, second = read_annotation(tmp_path)
    assert (first.id, first.split, first.image_paths) == ('CXR1_IM-7-x', 'train', ('1.png',))
    assert first.labels[-1] == 1 and second.labels[0] == 1


def test_other_ids_have_rows_of_their_own():
    rows = dict.fromkeys(('a', 'a-1', 'CXR1', 'CXR2_IM-7'), (0,) * 14)
    assert label_row('a-1-x', rows) is None and label_row('a_1', rows, open_i=True) is None
    assert label_row('CXR2_IM-7-1001', rows) == label_row('CXR1_1_IM-7', rows, open_i=True) == (0,) * 14
    assert label_row('CXR1_IM-7', rows) is None


def test_without_label_file_labels_are_none(tmp_path):
    write_folder(tmp_path, labels=False)
    assert [study.labels for study in read_annotation(tmp_path)] == [None, None]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'report': '  '}, 'study CXR1_IM-7-x: the report is empty'),
        ({'report': 'Clear \ud800.'}, 'got half a character'),
        ({'image_path': ['caf\udce9.png']}, 'rename the film'),
        ({'id': ''}, '"id" must be a non-empty string'),
        ({'id': 'CXR2_IM-7-x'}, 'study id CXR2_IM-7-x is used 2 times'),
        ({'image_path': []}, 'must be a list of file names'),
        ({'image_path': '1.png'}, 'must be a list of file names'),
        ({'split': 'test'}, 'listed under "train"'),
        ({'original_size': [[9, 9], None]}, 'null for each of 1 images'),
        ({'original_size': [[9, 0]]}, r'"original_size" must be .* got \[\[9, 0\]\]'),
        ({'original_size': 9}, '"original_size" must be'),
        ({'labels': {'CXR1_IM-7': [0] * 13, 'CXR2_IM-7': [0] * 14}}, 'expected 14 values.*got 13 values'),
        ({'labels': {'CXR1_IM-7': [2] * 14, 'CXR2_IM-7': [0] * 14}}, 'expected 0, 1 or -1'),
        ({'labels': {'CXR2_IM-7': [0] * 14}}, 'labels of study CXR1_IM-7-x: no row'),
    ],
)
def test_bad_studies_are_named(tmp_path, change, message):
    write_folder(tmp_path, **change)
    with pytest.raises(ValueError, match=message):
        read_annotation(tmp_path)


def test_one_error_lists_every_problem_and_counts_the_rest(tmp_path):
    studies = [{'id': str(n), 'report': '', 'image_path': ['x']} for n in range(12)]
    (tmp_path / 'annotation.json').write_text(json.dumps({'val': studies}))
    with pytest.raises(ValueError, match=r'12 problems: val\[0\].*val\[9\].*and 2 more'):
        read_annotation(tmp_path)


def test_missing_or_broken_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r'annotation.json: no such file'):
        read_annotation(tmp_path)
    (tmp_path / 'annotation.json').write_text('{"train": [')
    with pytest.raises(ValueError, match=r'annotation.json: not valid JSON'):
        read_annotation(tmp_path)
    (tmp_path / 'annotation.json').write_text('{"dev": []}')
    with pytest.raises(ValueError, match=r"got also \['dev'\]"):
        read_annotation(tmp_path)


def test_real_annotations(shared_dir):
    iu_xray = read_annotation(shared_dir / 'data/iu_xray')
    assert len(iu_xray) == 2955
    train = [study for study in iu_xray if study.split == 'train']
    assert sum(study.labels[OBSERVATIONS.index('No Finding')] for study in train) == 1442
    assert len(read_annotation(shared_dir / 'data/nih_sample')) == 621


def test_labels_that_tell_no_study_from_another_are_refused():
    def study(name, labels):
        return Study(name, 'train', 'Clear.', labels, ('a.png',))

    same = [study('a', (0,) * 8 + (1,) + (0,) * 5), study('b', (0,) * 8 + (1,) + (0,) * 5)]
    with pytest.raises(ValueError, match='table.csv: all 2 studies have the same labels .No Finding.'):
        check_labels(same, 'table.csv')
    check_labels([*same, study('c', (0,) * 14)], 'table.csv')
    check_labels([study('a', None), study('b', None)], 'table.csv')
