from camanet_jax.configuration import fill_variant, recipe
from camanet_jax.run.command_line import expand_home, with_recipe


def test_a_tilde_is_the_home_in_flags_and_in_configurations(monkeypatch):
    monkeypatch.setenv('HOME', '/users/ada')
    given = ['main', '--workdir=~/runs/x', '--images=~/a.png,~/b.png', '--output', '/x~/y', '--note=a~b']
    expected = ['main', '--workdir=/users/ada/runs/x', '--images=/users/ada/a.png,/users/ada/b.png', '--output']
    assert expand_home(given) == [*expected, '/x~/y', '--note=a~b']
    config = recipe('demo')
    config.data_dir = '~/data'
    assert fill_variant(config).data_dir == '/users/ada/data'


def test_both_ways_of_writing_the_flag_name_the_shipped_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, two = with_recipe(['main', '--config=configs/demo.py']), with_recipe(['main', '--config', 'demo'])
    assert one[1] == f'--config={two[2]}' and one[1].endswith('/demo.py')
