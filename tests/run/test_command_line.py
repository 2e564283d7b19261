import argparse
import runpy
import sys
from pathlib import Path

import pytest

from camanet_jax.configuration import fill_variant, recipe
from camanet_jax.run.command_line import expand_home, with_config, with_recipe

ROOT = Path(__file__).parents[2]
COMMANDS = [path for path in sorted(ROOT.glob('scripts/*.py')) if 'import argparse' in path.read_text(encoding='utf-8')]


def test_a_tilde_is_the_home_in_flags_and_in_configurations(monkeypatch):
    monkeypatch.setenv('HOME', '/users/ada')
    given = ['main', '--workdir=~/runs/x', '--images=~/a.png,~/b.png', '--output', '/x~/y', '--note=a~b']
    expected = ['main', '--workdir=/users/ada/runs/x', '--images=/users/ada/a.png,/users/ada/b.png', '--output']
    assert expand_home(given) == [*expected, '/x~/y', '--note=a~b']
    config = recipe('demo')
    config.data_dir = '~/data'
    assert fill_variant(config).data_dir == '/users/ada/data'


@pytest.mark.parametrize('command', [*COMMANDS, ROOT / 'camanet_jax/app/__main__.py'], ids=lambda path: path.stem)
def test_a_tilde_is_the_home_for_every_script(command, monkeypatch):
    def parse_args(self, words):
        raise InterruptedError(words)  # before the script does anything

    monkeypatch.setenv('HOME', '/users/ada')
    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', parse_args)
    monkeypatch.setattr(sys, 'argv', [str(command), '--workdir=~/runs/x', '--output', '/x'])
    with pytest.raises(InterruptedError) as parsed:
        runpy.run_path(str(command), run_name='__main__')
    assert parsed.value.args == (['--workdir=/users/ada/runs/x', '--output', '/x'],)


@pytest.mark.parametrize(
    ('command', 'arguments', 'words'),
    [
        ('scripts/prepare_data.py', 'folder --source=. --output=x --processes=-3', 'at least 1, got -3'),
        ('scripts/benchmark.py', 'decode --config=demo --lengths 4 -4', 'at least 1, got -4'),
        ('scripts/benchmark.py', 'decode --config=demo --steps 0', 'at least 1, got 0'),
        ('scripts/benchmark.py', 'scaling --config=demo --batch_size 0', 'at least 1, got 0'),
        ('scripts/benchmark.py', 'scaling --config=demo --films_per_core 0', 'a number above 0, got 0'),
        ('scripts/benchmark.py', 'scaling --config=demo --films_per_core nan', 'a number above 0, got nan'),
        ('scripts/benchmark.py', 'input --config=demo --workers 0 -1', 'at least 0, got -1'),
        ('camanet_jax/app/__main__.py', '--workdir=. --port=99999', '0 to 65535, got 99999'),
        ('camanet_jax/app/__main__.py', '--workdir=. --port=-1', '0 to 65535, got -1'),
    ],
)
def test_numbers_out_of_range_are_told_by_the_parser(monkeypatch, capsys, command, arguments, words):
    monkeypatch.setattr(sys, 'argv', [command, *arguments.split()])
    with pytest.raises(SystemExit, match='2'):
        runpy.run_path(str(ROOT / command), run_name='__main__')
    assert f': expected {words}' in capsys.readouterr().err


def test_both_ways_of_writing_the_flag_name_the_shipped_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, two = with_recipe(['main', '--config=configs/demo.py']), with_recipe(['main', '--config', 'demo'])
    assert one[1] == f'--config={two[2]}' and one[1].endswith('/demo.py')


def test_a_colon_in_the_path_of_a_configuration_is_named(tmp_path):
    (tmp_path / 'a:b').mkdir()
    (file := tmp_path / 'a:b' / 'mine.py').touch()
    with pytest.raises(SystemExit, match='expected a path without a colon.*a:b/mine.py'):
        with_recipe(['main', f'--config={file}'])


@pytest.mark.parametrize(
    ('name', 'content', 'words'),
    [
        ('config.json', '{"seed": null}', 'expected a configuration file, .* .py; give --workdir to continue a run'),
        ('mine.txt', '', 'expected a configuration file, which ends in .py; see'),
        ('none.py', 'x = 1', 'expected a function get_config in it'),
        ('returns_none.py', 'def get_config(): pass', 'expected get_config to return .*, got NoneType'),
        ('returns_dict.py', 'def get_config(): return {}', 'expected get_config to return .*, got dict'),
        (
            'bare.py',
            'from ml_collections import ConfigDict as get_config',
            'expected get_config to return .*, got a ConfigDict without variant',
        ),
    ],
)
def test_a_file_that_makes_no_configuration_is_told_before_the_flags_are_read(tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    with pytest.raises(SystemExit, match=f'Error: --config: {tmp_path}/{name}: {words}'):
        with_recipe(['main', f'--config={tmp_path}/{name}'])


def test_the_argument_of_a_configuration_reaches_it():
    assert with_recipe(['main', '--config=configs/alignment.py:peaked'])[1].endswith('/alignment.py:peaked')
    with pytest.raises(SystemExit, match='Error: --config: .*nonsense'):
        with_recipe(['main', '--config=configs/alignment.py:nonsense'])


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ('', 'the file is empty'),
        ('{"data', 'not valid JSON'),
        ('[1]', 'no configuration'),
        ('{"model": 3}', 'no configuration of a run .Expected the fields of model, got 3'),
    ],
)
def test_a_damaged_configuration_of_a_run_is_told_before_the_flags_are_read(tmp_path, content, words):
    (tmp_path / 'config.json').write_text(content)
    with pytest.raises(SystemExit, match=f'Error: {tmp_path}/config.json: {words}'):
        with_config(['main', f'--workdir={tmp_path}'])
