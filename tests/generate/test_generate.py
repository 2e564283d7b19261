"""Reports for image files, from the workdir alone."""

import json
import shutil

import jax
import numpy as np
import pytest
from dicom_files import IDENTIFYING, STUDY_UID, dicom_bytes
from front_door import run_main, succeed
from PIL import Image

import camanet_jax
from camanet_jax.configuration import recipe
from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.experiment import open_split
from camanet_jax.generate.generate import generate
from camanet_jax.generate.reporter import Reporter, batch_shape
from camanet_jax.run.workdir import open_trained
from camanet_jax.run.workers import Stopped


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


@pytest.fixture
def folder(films, tmp_path):
    """Studies of all kinds: of two films, of one, DICOM, four pixels, broken, empty, without pixels, of three films."""
    root = tmp_path / 'in'
    for study, count in (('two', 2), ('three', 3)):
        (root / study).mkdir(parents=True)
        for number in range(count):
            shutil.copy(films / ('lateral.png' if number else 'frontal.png'), root / study / f'{number}.png')
    frontal = Image.open(films / 'frontal.png')
    (root / f'{STUDY_UID}.dcm').write_bytes(dicom_bytes(np.asarray(frontal)))
    shutil.copy(films / 'frontal.png', root / 'one.png')
    frontal.crop((3, 3, 5, 5)).save(root / 'pixel.png')
    (root / 'broken.png').write_bytes((films / 'frontal.png').read_bytes()[:90])
    (root / 'empty.tif').write_bytes(b'')
    (root / 'no_pixels.dcm').write_bytes(dicom_bytes(None))
    return root


def lines_of(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_workdir_and_files_are_enough(trained, films, tmp_path):
    names = [str(films / name) for name in ('frontal.png', 'lateral.png', 'photo.jpeg', 'lateral.png')]
    output = succeed(
        f'--workdir={trained}',
        '--mode=generate',
        f'--images={",".join(names)}',
        f'--output={tmp_path}',
        f'--config.data_dir={tmp_path / "gone"}',
    )
    lines = lines_of(tmp_path / 'reports.jsonl')
    assert [line['images'] for line in lines] == [names[:2], names[2:]]
    for line in lines:
        assert [word['word'] for word in line['words']] == line['report'].split()
        assert line['log_prob'] <= sum(word['log_prob'] for word in line['words']) + 1e-4  # the end counts too
        assert tuple(line['observations']) == OBSERVATIONS and len(line['alternatives']) == 2
        assert line['report'] in output
        assert all(Image.open(tmp_path / name).size[0] > 500 for name in line['overlays'])
    assert sorted(path.name for path in tmp_path.iterdir()) == ['.lock', 'made_by.json', 'overlays', 'reports.jsonl']
    with (trained / 'predictions' / 'test.jsonl').open() as file:
        assert lines[0]['report'] == json.loads(file.readline())['report']


def test_damaged_films_are_told_and_the_rest_go_on(trained, folder, tmp_path):
    command = (
        f'--workdir={trained}',
        '--mode=generate',
        f'--images={folder}',
        f'--output={tmp_path / "out"}',
        '--overlays=False',
    )
    done = run_main(*command)
    assert done.returncode == 1 and 'Traceback' not in done.stdout, done.stdout
    assert '4 of 8 studies have no report; the reasons are in' in done.stdout
    assert '6 of 8 studies have fewer films than the 2' in done.stdout
    lines = {line['id']: line for line in lines_of(tmp_path / 'out' / 'reports.jsonl')}
    (dicom,) = (name for name in lines if name.startswith('uid-'))
    assert set(lines) == {'two', 'one.png', 'pixel.png', dicom}
    assert lines[dicom]['report'] == lines['one.png']['report']  # the same film
    assert lines['one.png']['repeated_view'] and 'repeated_view' not in lines['two']
    errors = {line['id']: line['error'] for line in lines_of(tmp_path / 'out' / 'failed.jsonl')}
    assert set(errors) == {'broken.png', 'empty.tif', 'no_pixels.dcm', 'three'}
    assert 'without pixel data' in errors['no_pixels.dcm'] and 'got 3' in errors['three']
    written = done.stdout + ''.join(path.read_text() for path in (tmp_path / 'out').iterdir())
    assert not any(value in written for value in [*IDENTIFYING.values(), STUDY_UID])

    (folder / 'broken.png').write_bytes((folder / 'one.png').read_bytes())
    again = run_main(*command, '--quiet')
    assert again.returncode == 1 and '3 of 8 studies have no report' in again.stdout
    assert [line['id'] for line in lines_of(tmp_path / 'out' / 'reports.jsonl')] == [*lines, 'broken.png']


def test_many_studies_go_through_one_compiled_shape(trained, folder, tmp_path, monkeypatch):
    shapes = []
    start = Reporter._start
    monkeypatch.setattr(
        Reporter,
        '_start',
        lambda self, batch, *rest: (shapes.append((rest[0], len(batch))), start(self, batch, *rest))[1],
    )
    config = open_trained(trained).experiment.config.copy_and_resolve_references()
    config.evaluation.batch_size = 2
    code = generate(config, trained, [folder], tmp_path / 'out', overlays=False, missing_view='refuse')
    assert code == 1 and shapes == [(2, 8)]  # studies of a batch, filled up; entries with those that failed
    assert [line['id'] for line in lines_of(tmp_path / 'out' / 'reports.jsonl')] == ['two']
    shapes.clear()
    generate(config, trained, [folder], tmp_path / 'repeated', overlays=False)
    assert shapes == [(2, 5), (2, 3)]


@pytest.mark.parametrize('studies, shape', [(1, 1), (2, 2), (3, 4), (5, 8), (9, 12), (500, 12)])
def test_numbers_of_studies_share_few_shapes(studies, shape):
    assert batch_shape(studies, 12) == shape


def test_a_stop_keeps_what_is_done(trained, folder, tmp_path, monkeypatch):
    whole = Reporter.stream

    def stopped(*arguments, **options):
        yield next(whole(*arguments, **options))
        raise KeyboardInterrupt

    config = open_trained(trained).experiment.config
    with monkeypatch.context() as patch:
        patch.setattr(Reporter, 'stream', stopped)
        with pytest.raises(Stopped) as caught:
            generate(config, trained, [folder / 'one.png'], tmp_path / 'out', overlays=False)
        assert caught.value.code == 130
    assert generate(config, trained, [folder / 'one.png'], tmp_path / 'out', overlays=False) == 0
    assert len(lines_of(tmp_path / 'out' / 'reports.jsonl')) == 1


def test_the_python_interface_takes_the_same_paths(trained, folder):
    reporter = camanet_jax.load(trained)
    table = folder / 'list.csv'
    table.write_text('id,image_path_1,image_path_2\nx,two/0.png,two/1.png\n')
    two = (folder / 'two' / '0.png', folder / 'two' / '1.png')
    found = [reporter.generate(images)[0] for images in ([two], table, str(folder / 'two' / '0.png'))]
    assert found[0].report == found[1].report and found[0].word_log_probs == pytest.approx(found[1].word_log_probs)
    np.testing.assert_array_equal(found[2].images[1], found[2].images[0])
    assert found[0].alternatives[0].log_prob <= found[0].log_prob
    with pytest.raises(ValueError, match='broken.png cannot be decoded'):
        reporter.generate(folder)


def test_several_processes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(jax, 'process_count', lambda: 2)
    with pytest.raises(ValueError, match='Expected one process to generate reports, got 2'):
        generate(recipe('iu_xray'), tmp_path, ['films'], tmp_path / 'generated')
