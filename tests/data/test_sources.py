import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from damages import DAMAGE, damage

from camanet_jax.data import sources
from camanet_jax.data.schema import SPLITS
from camanet_jax.data.sources import open_sources
from camanet_jax.preparation.study_folder import StudyFolder, write_shards


def open_folder(folder, split='train', views=2, **options):
    return open_sources([split], name='study_folder', data_dir=folder, views=views, **options)[0]


def edit_annotation(folder, edit):
    path = folder / 'annotation.json'
    annotation = json.loads(path.read_text())
    edit(annotation)
    path.write_text(json.dumps(annotation))


def test_records_hold_the_files_bytes_in_the_annotations_order(make_study_folder):
    folder = make_study_folder()
    source = open_folder(folder)
    assert source.ids == [f'train{number}' for number in range(10)]
    for position, study in enumerate(source.studies):
        record = source.records[position]
        files = [(folder / 'images' / path).read_bytes() for path in study.image_paths]
        assert record['images'] == files
        assert record['image_paths'] == list(study.image_paths)
        assert (record['id'], record['report']) == (study.id, study.report)
        np.testing.assert_array_equal(record['labels'], study.labels)
    assert len(open_folder(folder, 'test')) == 5


def test_records_alone_tell_the_studies(make_study_folder):
    source = open_folder(make_study_folder())
    assert tuple(source.records.read_studies()) == source.studies


def test_second_opening_reads_what_was_prepared(make_study_folder):
    folder = make_study_folder()
    first = open_folder(folder)
    for path in (folder / 'images').iterdir():
        path.unlink()
    assert open_folder(folder).records[3]['images'] == first.records[3]['images']


def test_changed_annotation_is_prepared_again(make_study_folder):
    folder = make_study_folder()
    before = open_folder(folder)
    edit_annotation(folder, lambda content: content['train'][2].update(report='Heart is big.'))
    after = open_folder(folder)
    assert after.prepared_dir != before.prepared_dir
    assert after.records[2]['report'] == 'Heart is big.'


def test_what_was_prepared_before_studies_had_original_sizes_is_found(make_study_folder):
    folder = make_study_folder()
    before = open_folder(folder)
    assert '/f1e96e97a0d67082/' in before.prepared_dir
    edit_annotation(folder, lambda content: content['train'][2].update(original_size=[[72, 40], None]))
    after = open_folder(folder)
    assert after.prepared_dir != before.prepared_dir
    assert after.records[2]['original_sizes'].tolist() == [[72, 40], [0, 0]]


def test_films_that_changed_are_prepared_again(make_study_folder, caplog):
    folder = make_study_folder()
    film, before = folder / 'images/train3_0.png', open_folder(folder)
    times, content = film.stat(), film.read_bytes()
    os.utime(film, ns=(1, 1))  # copied or touched: the same film
    assert open_folder(folder).prepared_dir == before.prepared_dir
    film.write_bytes(content[:-20] + bytes(20))  # as many bytes
    os.utime(film, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = open_folder(folder)
    assert after.prepared_dir != before.prepared_dir and after.content != before.content
    assert 'have changed since the records in' in caplog.text
    assert after.records[3]['images'][0] == film.read_bytes()
    film.write_bytes(content)
    assert open_folder(folder).prepared_dir == before.prepared_dir


def test_shards_of_a_stopped_run_are_written_anew_where_films_changed(make_study_folder):
    folder = make_study_folder(counts=(3, 1, 1), views=1)
    builder = StudyFolder(folder, cache_dir=folder / 'tfds')
    builder.shards_dir.mkdir(parents=True)
    write_shards(builder.shard_files())
    (folder / 'images/train1_0.png').write_bytes((folder / 'images/train2_0.png').read_bytes())
    records = open_folder(folder, views=1).records
    assert records[1]['images'] == records[2]['images']


@pytest.mark.parametrize('store', ['original', '256'])
def test_damaged_films_are_found_when_they_are_prepared(make_study_folder, store):
    folder = make_study_folder()
    (folder / 'dataset.json').write_text(json.dumps({'store': store}))
    (folder / 'images/val1_0.png').write_bytes(b'none')
    assert open_folder(folder).faults == ()
    (fault,) = open_folder(folder, 'val').faults
    assert fault.startswith('val1: image val1_0.png cannot be decoded: it is in none of the formats')


def test_cache_dir_leaves_the_data_folder_alone(make_study_folder, tmp_path):
    folder = make_study_folder()
    source = open_folder(folder, cache_dir=tmp_path / 'cache')
    assert source.prepared_dir.startswith(str(tmp_path / 'cache'))
    assert not (folder / 'tfds').exists()


def test_unwritable_cache_is_named(make_study_folder, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(ValueError, match='cannot write prepared data to .*set cache_dir'):
        open_folder(make_study_folder(), cache_dir=tmp_path / 'file')


def test_missing_images_are_listed_before_anything_is_written(make_study_folder):
    folder = make_study_folder(counts=(12, 1, 1), views=1)
    for number in range(11):
        (folder / f'images/train{number}_0.png').unlink()
    with pytest.raises(ValueError, match=r'11 image files are missing.*train9_0.png; and 1 more'):
        open_folder(folder, views=1)
    assert not (folder / 'tfds').exists()
    source = open_folder(folder, views=1, only_existing_images=True)
    assert source.ids == ['train11']


def test_number_of_views_is_checked(make_study_folder):
    folder = make_study_folder()
    edit_annotation(folder, lambda content: content['train'][4]['image_path'].pop())
    with pytest.raises(ValueError, match='expected 2 images per study, got 1 study: train4 has 1'):
        open_folder(folder)
    with pytest.raises(ValueError, match='9 studies: train0 has 2'):
        open_folder(folder, views=1)
    source = open_folder(folder, views=1, extra_views='first')
    assert source.records[0]['image_paths'] == ['train0_0.png']
    source = open_folder(folder, views=3, fewer_views='mask')
    assert [len(source.records[i]['images']) for i in (3, 4)] == [2, 1]
    with pytest.raises(ValueError, match='expected 1 images per study, got 9 studies'):
        open_folder(folder, views=1, fewer_views='mask')


def test_labels_are_required_unless_told(make_study_folder):
    folder = make_study_folder()
    (folder / 'labels.json').unlink()
    with pytest.raises(ValueError, match='labels.json is missing'):
        open_folder(folder)
    source = open_folder(folder, labels_required=False)
    assert (source.labels == -1).all() and source.labels.shape == (10, 14)
    assert tuple(source.records.read_studies()) == source.studies


def test_wrong_names_and_splits_say_what_there_is(make_study_folder):
    folder = make_study_folder(counts=(2, 0, 1))
    with pytest.raises(ValueError, match="one of .*study_folder.*got 'folder'"):
        open_sources(['train'], name='folder', data_dir=folder, views=2)[0]
    with pytest.raises(ValueError, match="got 'dev'"):
        open_folder(folder, 'dev')
    with pytest.raises(ValueError, match=r"no studies in 'val', only in \['train', 'test'\]"):
        open_folder(folder, 'val')


OPEN = """
import pathlib, os, signal, sys
from camanet_jax.data import sources
from camanet_jax.data.sources import open_sources
reads, read_bytes = [], pathlib.Path.read_bytes
def dying_read(path):
    if path.suffix == '.png':
        reads.append(path)
    if reads and len(reads) == {die_at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return read_bytes(path)
pathlib.Path.read_bytes = dying_read
source = open_sources(['train'], name='study_folder', data_dir=sys.argv[1], views=2)[0]
print(len(source), len(reads))
"""


def start_opening(folder, die_at=0):
    command = [sys.executable, '-c', OPEN.format(die_at=die_at), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_preparation_killed_midway_starts_again(make_study_folder):
    folder = make_study_folder()
    assert start_opening(folder, die_at=9).wait() == -9
    assert list(folder.glob('tfds/*/*/incomplete.*'))
    source = open_folder(folder)
    assert [source.records[n]['id'] for n in range(10)] == source.ids
    assert not list(folder.glob('tfds/*/*/incomplete.*'))


def test_two_runs_side_by_side_prepare_once(make_study_folder):
    folder = make_study_folder()
    outputs = [run.communicate()[0] for run in [start_opening(folder) for _ in range(2)]]
    reads = sorted(int(output.split()[-1]) for output in outputs)
    assert reads == [0, 36]


def test_real_folders(shared_dir, tmp_path):
    folder = shared_dir / 'data/nih_sample'
    sizes = [len(open_folder(folder, split, 1, cache_dir=tmp_path)) for split in ('train', 'test')]
    assert sizes == [481, 88]
    iu_xray = shared_dir / 'data/iu_xray'
    with pytest.raises(ValueError, match='5908 image files are missing'):
        open_folder(iu_xray, cache_dir=tmp_path)
    with_films = {'cache_dir': tmp_path, 'only_existing_images': True}
    splits = [study.split for study in open_folder(iu_xray, 'train', **with_films).studies]
    assert splits == ['train']


def test_a_folder_that_cannot_be_written_to_is_prepared_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    data_dir = tmp_path / 'films'
    data_dir.mkdir()
    assert sources.default_cache(data_dir) == data_dir / 'tfds'
    monkeypatch.setattr(sources, '_writable', lambda folder: False)
    elsewhere = sources.default_cache(data_dir)
    assert elsewhere.parent == tmp_path / 'cache' / 'camanet_jax' and elsewhere.name.startswith('films-')


@pytest.mark.parametrize('home', ['/proc/none', 'relative'])
def test_without_a_home_that_can_be_written_prepared_data_go_to_the_temporary_folder(home, tmp_path, monkeypatch):
    monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
    monkeypatch.setenv('HOME', home)
    monkeypatch.setattr(sources, '_writable', lambda folder: False)
    monkeypatch.setattr(sources.tempfile, 'tempdir', str(tmp_path / 'tmp'))
    # Root may write everywhere, an ordinary user not.
    monkeypatch.setattr(sources.os, 'access', lambda place, mode: place.is_relative_to(tmp_path))
    (data_dir := tmp_path / 'films').mkdir()
    assert sources.default_cache(data_dir).is_relative_to(tmp_path / 'tmp' / f'cache-{os.getuid()}')


@pytest.mark.parametrize('how', DAMAGE)
def test_damaged_records_are_named_with_what_to_do(make_study_folder, how):
    options = dict(name='study_folder', data_dir=make_study_folder((2, 1, 1)), views=2)
    (prepared,) = {source.prepared_dir for source in open_sources(SPLITS, **options)}
    names = 'dataset_info.json', 'features.json', 'study_folder-val.array_record-00000-of-00001'
    for name in names:
        path = Path(prepared) / name
        content = path.read_bytes()
        damage(path, how)
        with pytest.raises(ValueError, match='prepared records are damaged or incomplete'):
            for source in open_sources(SPLITS, **options):
                assert [source.records[number] for number in range(len(source))]
        path.write_bytes(content)


def test_records_that_may_not_be_opened_are_not_taken_for_damaged():
    with pytest.raises(PermissionError, match='Permission denied'), sources.reading_records('records'):
        raise RuntimeError('open() failed: Permission denied; opening records/train')
