"""What a user gets wrong: each mistake ends the command with one clear line, and nothing on disk is changed."""

import json
from pathlib import Path

import numpy as np
import pytest
from front_door import ROOT, TINY, run_main
from PIL import Image

FOLDER_CONFIG = ROOT / 'tests' / 'tiny_folder.py'


def error_of(*arguments: str) -> str:
    """The last line of a command that must fail, without a trace."""
    done = run_main(*arguments)
    assert done.returncode != 0 and 'Traceback' not in done.stdout, done.stdout
    return done.stdout.rstrip().splitlines()[-1]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A data set of two studies a split, without fault."""
    studies = {
        split: [
            {'id': f'{split}{i}', 'report': 'The lungs are clear .', 'image_path': [f'{split}{i}.png']}
            for i in range(2)
        ]
        for split in ('train', 'val', 'test')
    }
    (tmp_path / 'data' / 'images').mkdir(parents=True)
    for study in sum(studies.values(), []):
        Image.fromarray(np.full((48, 48), 90, np.uint8)).save(tmp_path / 'data' / 'images' / study['image_path'][0])
    labels = {study['id']: [0] * 8 + [int(study['id'][-1])] + [0] * 5 for study in sum(studies.values(), [])}
    write(tmp_path / 'data' / 'annotation.json', studies)
    write(tmp_path / 'data' / 'labels.json', labels)
    return tmp_path / 'data'


def write(path: Path, content) -> None:
    """As JSON."""
    path.write_text(json.dumps(content), encoding='utf-8')


def change(path: Path, function) -> None:
    """Applies `function` to what a JSON file holds."""
    content = json.loads(path.read_text(encoding='utf-8'))
    function(content)
    write(path, content)


def empty_report(folder: Path) -> None:
    change(folder / 'annotation.json', lambda studies: studies['val'][1].update(report='  '))


def short_label_row(folder: Path) -> None:
    change(folder / 'labels.json', lambda labels: labels['train1'].pop())


def missing_image(folder: Path) -> None:
    (folder / 'images' / 'test0.png').unlink()


def no_test_split(folder: Path) -> None:
    change(folder / 'annotation.json', lambda studies: studies.pop('test'))


def labels_alike(folder: Path) -> None:
    change(folder / 'labels.json', lambda labels: labels.update(dict.fromkeys(labels, [0] * 14)))


def damaged_image(folder: Path) -> None:
    path = folder / 'images' / 'train1.png'
    path.write_bytes(path.read_bytes()[:60])


@pytest.mark.parametrize(
    ('damage', 'words'),
    [
        (empty_report, ['val1', 'the report is empty']),
        (short_label_row, ['train1', 'expected 14 values', 'got 13']),
        (missing_image, ['test0.png', 'missing']),
        (no_test_split, ["no studies in 'test'", 'a run needs all of']),
        (labels_alike, ['all 2 studies have the same labels (none positive)']),
        (damaged_image, ['train1.png', 'train1:', "on_damaged_image='skip'"]),
    ],
)
def test_faulty_data_are_named(folder, tmp_path, compile_cache, damage, words):
    damage(folder)
    error = error_of(
        f'--config={FOLDER_CONFIG}',
        f'--workdir={tmp_path / "run"}',
        f'--config.data_dir={folder}',
        f'--config.compile_cache={compile_cache}',
    )
    assert error.startswith('Error: ')
    assert all(word in error for word in words), error
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
    ('arguments', 'unknown', 'known'),
    [
        (['--config.model.widht=64'], 'widht', ['width', 'vdm_norm', 'tdm_selection']),
        (['--config.modle.width=64'], 'modle', ['model', 'batch_size', 'variant']),
        (['--config.data.options.train_studys=4'], 'train_studys', ['train_studies', 'test_studies']),
    ],
)
def test_an_unknown_field_on_the_command_line_lists_those_there_are(tmp_path, arguments, unknown, known):
    error = error_of(f'--config={TINY}', f'--workdir={tmp_path / "run"}', *arguments)
    assert f'no field {unknown!r}' in error
    assert all(name in error for name in known)
    assert not (tmp_path / 'run').exists()


def test_an_unknown_field_in_a_file_names_its_line_and_lists_those_there_are(tmp_path, monkeypatch):
    monkeypatch.setenv('PYTHONDONTWRITEBYTECODE', '1')  # else Python itself writes beside the file
    file = tmp_path / 'mon été.py'
    file.write_text(
        'from camanet_jax.configuration import recipe\n\n\ndef get_config():\n    config = recipe("demo")\n'
        '    config.data.image_sice = 3\n    return config\n'
    )
    error = error_of(f'--config={file}', f'--workdir={tmp_path / "run"}')
    assert error.startswith(f"Error: {file}, line 6: the configuration has no field 'image_sice' here; there are ")
    assert all(name in error for name in ('image_size', 'resize_size', 'views'))
    assert list(tmp_path.iterdir()) == [file]


def test_a_workdir_of_another_configuration_is_refused_with_the_differing_fields(trained, tiny_arguments):
    before = contents(trained)
    done = run_main(f'--workdir={trained}', *tiny_arguments, '--config.model.heads=4', '--config.seed=7')
    assert done.returncode != 0 and 'Traceback' not in done.stdout
    assert 'model.heads: 2 in the workdir, 4 now' in done.stdout
    assert 'seed: 0 in the workdir, 7 now' in done.stdout
    assert 'batch_size' not in done.stdout
    assert contents(trained) == before


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--workdir=MISSING'], 'no run in MISSING'),
        (['--workdir', 'MISSING', '--mode=evaluate'], 'no run in MISSING'),
        (['--mode=evaluate', f'--config={TINY}', '--workdir=MISSING'], 'Expected a checkpoint in MISSING, found none'),
        (['--config=configs/nothing.py'], 'Expected a configuration file, or one of the recipes ablation, '),
        ([], 'Give --config=FILE'),
        (
            [f'--config={TINY}', '--workdir=MISSING', '--config.batch_size=7', '--config.accumulate=2'],
            'Expected batch_size to be a multiple of 2',
        ),
    ],
)
def test_what_is_not_there_is_named_and_nothing_is_made(tmp_path, arguments, words):
    missing = str(tmp_path / 'missing')
    error = error_of(*(argument.replace('MISSING', missing) for argument in arguments))
    assert words.replace('MISSING', missing) in error
    assert not list(tmp_path.iterdir())
