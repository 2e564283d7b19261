"""Reports for image files, from the workdir alone."""

import json

import numpy as np
import pytest
from front_door import run_main, succeed
from PIL import Image

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.experiment import open_split
from camanet_jax.generate import group_files
from camanet_jax.workdir import open_trained


@pytest.fixture(scope='module')
def films(trained, tmp_path_factory):
    """The first test study's two films as files, and a third as a colour JPEG of another shape."""
    folder = tmp_path_factory.mktemp('films')
    record = open_split(open_trained(trained).experiment.config, 'test').records[0]
    for name, encoded in zip(('frontal.png', 'lateral.png'), record['images'], strict=True):
        (folder / name).write_bytes(encoded)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(folder / 'photo.jpeg')
    return folder


def test_a_workdir_and_files_are_enough(trained, films, tmp_path):
    names = [str(films / name) for name in ('frontal.png', 'lateral.png', 'photo.jpeg', 'lateral.png')]
    output = succeed(f'--workdir={trained}', '--mode=generate', f'--images={",".join(names)}', f'--output={tmp_path}',
                     f'--config.data_dir={tmp_path / "gone"}')
    lines = [json.loads(line) for line in (tmp_path / 'reports.jsonl').read_text().splitlines()]
    assert [line['images'] for line in lines] == [names[:2], names[2:]]
    for line in lines:
        assert [word['word'] for word in line['words']] == line['report'].split()
        assert line['log_prob'] <= sum(word['log_prob'] for word in line['words']) + 1e-4  # the end counts too
        assert tuple(line['observations']) == OBSERVATIONS
        assert line['report'] in output
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        '0000_frontal.png', '0001_photo.png', 'reports.jsonl']
    with (trained / 'predictions' / 'test.jsonl').open() as file:
        assert lines[0]['report'] == json.loads(file.readline())['report']


def test_a_damaged_film_is_named(trained, films, tmp_path):
    (tmp_path / 'cut.png').write_bytes((films / 'frontal.png').read_bytes()[:90])
    done = run_main(f'--workdir={trained}', '--mode=generate', f'--output={tmp_path / "out"}',
                    f'--images={tmp_path / "cut.png"},{films / "lateral.png"}')
    assert done.returncode != 0 and 'Traceback' not in done.stdout, done.stdout
    assert 'cut.png cannot be decoded' in done.stdout
    assert not (tmp_path / 'out').exists()


def test_files_are_grouped_by_study_and_checked(tmp_path):
    files = [str(tmp_path / name) for name in 'abcd']
    for file in files:
        open(file, 'w').close()
    assert group_files(files, 2) == [tuple(files[:2]), tuple(files[2:])]
    assert group_files(files[:1], 1) == [(files[0],)]
    with pytest.raises(ValueError, match='multiple of 2 files.*got 3'):
        group_files(files[:3], 2)
    with pytest.raises(ValueError, match='Give --images'):
        group_files([], 2)
    with pytest.raises(ValueError, match='No such image file: .*nowhere.png'):
        group_files([files[0], 'nowhere.png'], 2)
