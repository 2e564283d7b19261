"""Studies of files, folders and CSVs."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from dicom_files import dicom_bytes

from camanet_jax.generate.study_list import hide_uids, list_studies, split_sources


@pytest.fixture
def make(tmp_path):
    """Makes files, empty or with content, below a folder; returns it."""

    def make_files(*names: str, **contents: bytes) -> Path:
        for name, content in [*((name, b'') for name in names), *contents.items()]:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
        return tmp_path

    return make_files


def as_names(studies, root: Path) -> dict[str, list[str]]:
    """{id: films below the root}."""
    return {study.id: [path.relative_to(root).as_posix() for path in study.paths] for study in studies}


# --- Files ---


def test_files_are_studies_of_as_many_as_the_model_reads(make):
    root = make(*'abcd')
    files = [str(root / name) for name in 'abcd']
    assert [study.paths for study in list_studies(files, 2)] == [(root / 'a', root / 'b'), (root / 'c', root / 'd')]
    assert [study.id for study in list_studies(files, 1)] == files
    assert list_studies(files[:1], 2)[0].paths == (root / 'a',)  # a study of one film


def test_files_are_checked(make):
    root = make(*'abc')
    files = [str(root / name) for name in 'abc']
    with pytest.raises(ValueError, match='multiple of 2 files.*got 3'):
        list_studies(files, 2)
    with pytest.raises(ValueError, match='Give --images'):
        list_studies([], 2)
    with pytest.raises(ValueError, match='No such file or folder: .*nowhere.png'):
        list_studies([files[0], 'nowhere.png'], 2)
    with pytest.raises(ValueError, match='Expected every study once; repeated: .*/a'):
        list_studies([files[0], files[0]], 1)


# --- Folders ---


def test_loose_films_and_folders_are_studies(make):
    root = make(
        'b.PNG',
        'a.jpg',
        'p1/s1/x.png',
        'p1/s1/y.tif',
        'p2/z.dcm',
        'p2/notes.txt',
        '.hidden.png',
        'DICOMDIR',
        'empty/readme.md',
        bare=dicom_bytes(None),
    )
    assert as_names(list_studies([root], 2), root) == {
        'a.jpg': ['a.jpg'],
        'b.PNG': ['b.PNG'],
        'bare': ['bare'],
        'p1/s1': ['p1/s1/x.png', 'p1/s1/y.tif'],
        'p2': ['p2/z.dcm'],
    }


def test_lateral_views_come_last(make):
    film = np.zeros((4, 4), np.uint8)
    root = make(
        's1/lateral.png',
        's1/pa.png',
        's2/1_LAT.png',
        's2/2_AP.png',
        's3/b_lateralised_a.png',
        's3/c_ll.png',
        **{'s4/a.dcm': dicom_bytes(film, ViewPosition='LL'), 's4/b.dcm': dicom_bytes(film, ViewPosition='PA')},
    )
    assert as_names(list_studies([root], 2), root) == {
        's1': ['s1/pa.png', 's1/lateral.png'],
        's2': ['s2/2_AP.png', 's2/1_LAT.png'],
        's3': ['s3/b_lateralised_a.png', 's3/c_ll.png'],
        's4': ['s4/b.dcm', 's4/a.dcm'],
    }


def test_the_figures_of_an_output_are_no_studies(make):
    root = make('a.png', 'out/made_by.json', 'out/reports.jsonl', 'out/overlays/000000_a.png', 'b/overlays/b.png')
    assert as_names(list_studies([root], 1), root) == {'a.png': ['a.png'], 'b/overlays': ['b/overlays/b.png']}


def test_a_folder_without_films_is_refused(make):
    with pytest.raises(ValueError, match='no films in it; expected .png, .jpg'):
        list_studies([make('notes.txt')], 1)


# --- CSV ---


def test_a_csv_names_studies(make):
    root = make(
        'a.png',
        'images/b.png',
        **{
            'list.csv': (
                '\ufeffid,split,image_path_1,image_path_2\ns1,test,a.png,b.png\ns2,test,a.png,\n\ns3,val,a.png;gone.png,\n'
            ).encode()
        },
    )
    assert as_names(list_studies([root / 'list.csv'], 2), root) == {
        's1': ['a.png', 'images/b.png'],
        's2': ['a.png'],
        's3': ['a.png', 'gone.png'],
    }


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('name,image_path\nx,a.png\n', 'expected one column of each name id'),
        ('id,film\nx,a.png\n', 'expected a column image_path'),
        ('id,image_path\nx,a.png\n,b.png\nz,\nw,a.png,b.png\n', 'no id, no image path.*line 3; line 4; line 5'),
        ('id,image_path\nx,a.png\nx,b.png\n', 'every study once; repeated: 1 study: x'),
    ],
)
def test_faults_of_a_csv_are_named(make, text, words):
    root = make(**{'list.csv': text.encode()})
    with pytest.raises(ValueError, match=words):
        list_studies([root / 'list.csv'], 1)


# --- Names ---


def test_uids_in_names_are_replaced_alike():
    uid = '1.2.840.113619.2.55.3'
    mark = 'uid-' + hashlib.sha256(uid.encode()).hexdigest()[:10]
    assert hide_uids(f'films/{uid}.dcm') == f'films/{mark}.dcm'
    assert hide_uids(f'{uid}/CR.{uid}') == f'{mark}/CR.{mark}'
    for name in ('CXR1_1_IM-0001-3001.png', '2020.11.24.png', 'v1.2.3', 'p10/s50414267/02aa804e-bde0afdd.jpg'):
        assert hide_uids(name) == name


def test_a_path_that_is_there_may_hold_commas(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a, b').mkdir()
    assert split_sources('a, b') == ['a, b']
    assert split_sources('a.png,b.png') == ['a.png', 'b.png']
    assert split_sources('') == []


def test_linked_studies_are_studies_and_links_that_lead_back_end(make, tmp_path):
    root = make('tree/a/film.png', 'store/film.png', 'store/side.png') / 'tree'
    (root / 'b').symlink_to('../store')
    (root / 'a' / 'again').symlink_to('..')
    found = {study.id: len(study.paths) for study in list_studies([root], 2)}
    assert found == {'a': 1, 'b': 2}


def test_folders_that_may_not_be_read_are_named(make, monkeypatch):
    root, scandir = make('a/film.png', 'b/film.png'), os.scandir

    def refuse(path):
        if str(path).endswith('b'):
            raise PermissionError(13, 'Permission denied', path)
        return scandir(path)

    monkeypatch.setattr(os, 'scandir', refuse)
    with pytest.raises(ValueError, match='cannot be read: 1 folder: .*/b'):
        list_studies([root], 1)


def test_a_header_alone_is_no_list(make):
    with pytest.raises(ValueError, match='list.csv: expected a row for each study'):
        list_studies([make(**{'list.csv': b'id,image_path\n'}) / 'list.csv'], 1)
