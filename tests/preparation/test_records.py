import subprocess
import sys
import time
from pathlib import Path

import pytest

from camanet_jax.data.sources import open_sources
from camanet_jax.preparation import folder as study_folder
from camanet_jax.preparation import records
from camanet_jax.preparation.prepare import beam_options
from camanet_jax.preparation.study_folder import StudyFolder

PREPARE = """
import sys, time
from pathlib import Path
read = Path.read_bytes
def read_until_three_shards_are_there(path):
    while len(list(Path(sys.argv[1]).glob(sys.argv[2]))) >= 3:
        time.sleep(1)
    return read(path)
Path.read_bytes = read_until_three_shards_are_there
from camanet_jax.preparation.records import write_records
write_records(Path(sys.argv[1]), processes=2)
"""


SHARDS = 'tfds/*/*/shards/study_folder*[0-9]'


def finished(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob(SHARDS)}


def test_a_killed_preparation_goes_on_without_redoing(make_study_folder):
    folder = make_study_folder(counts=(200, 40, 3), views=1)
    run = subprocess.Popen([sys.executable, '-c', PREPARE, str(folder), SHARDS], stderr=subprocess.DEVNULL)
    while len(finished(folder)) < 3 and run.poll() is None:
        time.sleep(0.01)
    run.kill()
    run.wait()
    before = finished(folder)
    assert 3 <= len(before) < 10  # of 7 + 2 + 1 shards
    builder = StudyFolder(folder, cache_dir=folder / 'tfds')
    records.write_records(folder)
    after = {path.name: path.stat().st_mtime_ns for path in Path(builder.data_path).glob('study_folder*')}
    assert len(after) == 10 and before.items() <= after.items()
    for split, count in (('train', 200), ('val', 40), ('test', 3)):
        source = open_sources([split], name='study_folder', data_dir=folder, views=1)[0]
        ids = [source.records[place]['id'] for place in range(len(source))]
        assert ids == [f'{split}{number}' for number in range(count)]
    assert not builder.shards_dir.exists()


def test_disk_need_is_said_and_a_full_disk_refused(make_study_folder, caplog, monkeypatch):
    caplog.set_level('INFO')
    folder = make_study_folder()
    size = study_folder.size_text(sum(path.stat().st_size for path in (folder / 'images').iterdir()))
    records.write_records(folder)
    assert f'records need {size}' in caplog.text and '377110 images of MIMIC-CXR-JPG' in caplog.text
    monkeypatch.setattr(study_folder.shutil, 'disk_usage', lambda path: study_folder.shutil._ntuple_diskusage(10, 7, 3))
    with pytest.raises(ValueError, match='need 1.0 kB, and 3 B are free'):
        study_folder.require_space(1000, folder / 'not/made/yet', 'films')


def test_texts_of_sizes_and_times():
    assert [study_folder.size_text(size) for size in (999, 12_345, 4.2e12)] == ['999 B', '12.3 kB', '4.2 TB']
    assert [records.as_time(seconds) for seconds in (45, 720, 12000)] == ['45 s', '12 min', '3 h 20 min']


def test_without_beam_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'apache_beam.options.pipeline_options', None)
    with pytest.raises(ValueError, match=r"pip install 'camanet_jax\[beam\]'"):
        beam_options('DirectRunner', [])


def test_beam_writes_the_same_records(make_study_folder, tmp_path):
    pytest.importorskip('apache_beam', reason='Apache Beam is not installed (the extra [beam])')
    folder = make_study_folder()
    records.write_records(folder, **beam_options('DirectRunner', []))
    by_beam = open_sources(['train'], name='study_folder', data_dir=folder, views=2)[0]
    by_threads = open_sources(['train'], name='study_folder', data_dir=folder, views=2, cache_dir=tmp_path / 'other')[0]
    assert len(by_beam) == 10
    for place in range(10):
        assert by_beam.records[place]['images'] == by_threads.records[place]['images']
