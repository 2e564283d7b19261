"""Official checkpoints to workdirs and back, on a tiny model."""

import json
import os
import pickle

import jax
import numpy as np
import pytest
from front_door import TINY, run_main, succeed

from camanet_jax import train
from camanet_jax.configuration import recipe as get_recipe
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.experiment import Experiment
from camanet_jax.extensions import find
from camanet_jax.generate import reporter
from camanet_jax.lab.parity.reference_weights import draw_state_dict
from camanet_jax.run import workdir
from camanet_jax.run.files import read_json
from camanet_jax.torch_io import weight_names
from camanet_jax.torch_io.buffers import complete_state_dict, fresh_buffers
from camanet_jax.torch_io.convert import convert_from_torch, convert_to_torch, read_vocabulary
from camanet_jax.torch_io.state_dicts import read_state_dict, write_state_dict
from camanet_jax.train_step import init_state

WORDS = ('.', '<unk>', 'clear', 'effusion', 'heart', 'lungs')
SCRIPT = 'scripts/convert_checkpoint.py'
SYSTEMS = {
    'base': {'model.vdmae': False, 'model.vtac': False},
    'full': {},
    'clip': {'model.vtac': False, 'model.contrastive': True, 'loss.contrastive_weight': 0.1},
}


@pytest.fixture
def words(tmp_path):
    """A vocabulary file."""
    path = tmp_path / 'words.json'
    path.write_text(json.dumps(WORDS))
    return path


@pytest.fixture
def official(make_config):
    """Makes an official state dict of a system, with random weights and counters."""

    def make(system='full'):
        experiment = Experiment(make_config(SYSTEMS[system]), Tokenizer(WORDS, 'iu_xray'))
        state = jax.eval_shape(
            lambda: init_state(
                experiment.model(), experiment.optimiser(), jax.random.key(0), experiment.example_batch()
            )
        )
        rng = np.random.default_rng(0)
        weights = {
            name: rng.normal(size=value.shape).astype(np.float32)
            for name, value in weight_names.state_dict(
                jax.tree.map(lambda x: np.empty(x.shape, bool), state.variables)
            ).items()
        }
        return complete_state_dict(weights, fresh_buffers(weights, 34))

    return make


def assert_identical(found, expected):
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype and found[name].tobytes() == value.tobytes(), name


@pytest.mark.parametrize('suffix, dtype', [('.pth', np.float32), ('.pth', np.float16), ('.safetensors', np.float32)])
def test_a_checkpoint_comes_back_bit_for_bit(tmp_path, make_config, official, words, suffix, dtype):
    checkpoint = {
        name: value.astype(dtype) if value.dtype == np.float32 else value for name, value in official().items()
    }
    write_state_dict(tmp_path / f'model{suffix}', checkpoint)
    convert_from_torch(tmp_path / f'model{suffix}', make_config(), tmp_path / 'run', vocabulary=words)
    convert_to_torch(tmp_path / 'run', tmp_path / f'back{suffix}')
    found = read_state_dict(tmp_path / f'back{suffix}')
    assert_identical(found if suffix == '.pth' else {name: found[name] for name in checkpoint}, checkpoint)


@pytest.mark.parametrize('system', SYSTEMS)
def test_the_system_is_inferred_and_recorded(tmp_path, make_config, official, words, system):
    checkpoint = official(system)
    write_state_dict(tmp_path / 'model.pth', checkpoint)
    configured = make_config(SYSTEMS['clip' if system == 'base' else 'base'])
    convert_from_torch(tmp_path / 'model.pth', configured, tmp_path / 'run', vocabulary=words)
    model, expected = workdir.get_config(tmp_path / 'run').model, make_config(SYSTEMS[system]).model
    for field in ('vdmae', 'vtac', 'contrastive'):
        assert model[field] == expected[field], field
    found = weight_names.state_dict(workdir.open_trained(tmp_path / 'run').variables)
    assert_identical(found, {name: checkpoint[name] for name in found})


def test_where_the_system_is_the_configured_one_vtac_stays_as_configured(tmp_path, make_config, official, words):
    write_state_dict(tmp_path / 'model.pth', official())
    convert_from_torch(tmp_path / 'model.pth', make_config({'model.vtac': False}), tmp_path / 'run', vocabulary=words)
    assert workdir.get_config(tmp_path / 'run').model.vtac is False


def test_the_vocabulary_is_counted_in_an_annotation(tmp_path, make_config, official):
    write_state_dict(tmp_path / 'model.pth', official())
    (tmp_path / 'data' / 'images').mkdir(parents=True)
    train_split = [{'report': 'Heart clear. Lungs effusion.'}] * 2 + [{'report': 'rare.'}]
    (tmp_path / 'data' / 'a.json').write_text(json.dumps({'train': train_split, 'test': [{'report': 'test test'}]}))
    convert_from_torch(tmp_path / 'model.pth', make_config(), tmp_path / 'run', annotation=tmp_path / 'data' / 'a.json')
    assert workdir.open_trained(tmp_path / 'run').experiment.tokenizer.words == WORDS
    assert workdir.get_config(tmp_path / 'run').data_dir == str(tmp_path / 'data')


@pytest.mark.parametrize(
    'name, text',
    [
        ('v.json', json.dumps({'cleaner': 'mimic_cxr', 'words': WORDS})),
        ('v.json', json.dumps(WORDS)),
        ('v.txt', '\n'.join(WORDS) + '\n'),
    ],
)
def test_vocabularies_are_read_in_three_forms(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    tokenizer = read_vocabulary(tmp_path / name, 'iu_xray')
    assert tokenizer.words == WORDS
    assert tokenizer.cleaner == ('mimic_cxr' if 'cleaner' in text else 'iu_xray')


def test_a_vocabulary_of_another_size_is_an_error_with_both_sizes(tmp_path, make_config, official):
    write_state_dict(tmp_path / 'model.pth', official())
    (tmp_path / 'few.txt').write_text('<unk> clear')
    with pytest.raises(ValueError, match='vocabulary of 6 words.*7 rows.*got 2 from'):
        convert_from_torch(tmp_path / 'model.pth', make_config(), tmp_path / 'run', vocabulary=tmp_path / 'few.txt')


@pytest.mark.parametrize(
    'name',
    [
        'encoder_decoder.model.tgt_embed.0.lut.weight',
        'visual_extractor.head.bias',
        'fore_back_learn.fore_norm.gamma',
        'visual_extractor.model.conv0.weight',
        'encoder_decoder.model.tgt_embed.1.pe',
    ],
)
def test_a_missing_key_is_named_and_nothing_is_written(tmp_path, make_config, official, words, name):
    checkpoint = official()
    del checkpoint[name]
    write_state_dict(tmp_path / 'model.pth', checkpoint)
    with pytest.raises(ValueError, match=name):
        convert_from_torch(tmp_path / 'model.pth', make_config(), tmp_path / 'run', vocabulary=words)
    assert sorted(os.listdir(tmp_path)) == ['model.pth', 'words.json']


def test_every_mismatch_is_in_one_error(tmp_path, make_config, official, words):
    checkpoint = official()
    checkpoint['encoder_decoder.more'] = checkpoint.pop('encoder_decoder.model.rm.W.bias')
    checkpoint['encoder_decoder.att_embed.0.weight'] = checkpoint['encoder_decoder.att_embed.0.weight'][:, :-1]
    write_state_dict(tmp_path / 'model.pth', checkpoint)
    with pytest.raises(ValueError) as caught:
        convert_from_torch(tmp_path / 'model.pth', make_config(), tmp_path / 'run', vocabulary=words)
    for name in ('encoder_decoder.model.rm.W.bias', 'encoder_decoder.more', 'att_embed.0.weight: expected (16, '):
        assert name in str(caught.value)


def test_weights_that_are_not_finite_are_named(tmp_path, make_config, official, words):
    checkpoint = official()
    names = 'encoder_decoder.model.rm.W.bias', 'visual_extractor.model.conv0.weight'
    for name, value in zip(names, (np.nan, np.inf), strict=True):
        checkpoint[name].flat[0] = value
    write_state_dict(tmp_path / 'model.pth', checkpoint)
    with pytest.raises(ValueError, match=f'model.pth: Expected finite weights, got .* in {", ".join(names)};'):
        convert_from_torch(tmp_path / 'model.pth', make_config(), tmp_path / 'run', vocabulary=words)
    assert not (tmp_path / 'run').exists()


def test_a_folder_in_use_is_left_alone(tmp_path, make_config, official, words):
    write_state_dict(tmp_path / 'model.pth', official())
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'mine').touch()
    with pytest.raises(ValueError, match='new folder'):
        convert_from_torch(tmp_path / 'model.pth', make_config(), tmp_path / 'run', vocabulary=words)
    assert os.listdir(tmp_path / 'run') == ['mine']


def test_training_in_a_converted_workdir_is_refused(tmp_path, make_config, trained):
    convert_to_torch(trained, tmp_path / 'model.pth')
    config = make_config()
    convert_from_torch(tmp_path / 'model.pth', config, tmp_path / 'run', vocabulary=trained / 'vocabulary.json')
    with pytest.raises(ValueError, match='init_from'):
        train.train(config, tmp_path / 'run')


def test_a_converted_run_writes_the_same_reports(tmp_path, make_config, trained):
    convert_to_torch(trained, tmp_path / 'model.safetensors')
    convert_from_torch(
        tmp_path / 'model.safetensors', make_config(), tmp_path / 'run', vocabulary=trained / 'vocabulary.json'
    )
    films = np.random.default_rng(0).integers(0, 256, (1, 2, 32, 32)).astype(np.uint8)
    own, converted = (reporter.load(folder).generate(films)[0] for folder in (trained, tmp_path / 'run'))
    assert (own.report, own.log_prob) == (converted.report, converted.log_prob)


def test_the_command_converts_both_ways_to_the_official_variant(tmp_path, trained):
    file, run, back = tmp_path / 'own.pth', tmp_path / 'run', tmp_path / 'back.pth'
    succeed('--to_torch', str(file), '--workdir', str(trained), program=(SCRIPT,))
    succeed(
        '--from_torch',
        str(file),
        f'--config={TINY}',
        f'--vocabulary={trained}/vocabulary.json',
        '--output',
        str(run),
        '--to_torch',
        str(back),
        program=(SCRIPT,),
    )
    assert file.read_bytes() == back.read_bytes()
    config = workdir.get_config(run)
    assert (config.variant, config.model.vdm_norm, config.optimiser.schedule_lag) == ('official', 'map', 1)


def test_the_command_does_not_replace_the_original(tmp_path):
    (original := tmp_path / 'own.pth').write_bytes(b'weights')
    files = '--from_torch', str(original), '--to_torch', f'{tmp_path}/./own.pth'
    done = run_main(*files, f'--config={TINY}', '--output', str(tmp_path / 'run'), program=(SCRIPT,))
    assert done.returncode == 1 and 'would replace the original' in done.stdout
    assert original.read_bytes() == b'weights'


def test_the_command_refuses_a_pickle_with_code_and_leaves_nothing(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.system, (f'touch {tmp_path}/made',)

    (tmp_path / 'evil.pth').write_bytes(
        b''.join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {}, {'x': Attack()}, []))
    )
    done = run_main(
        '--from_torch',
        str(tmp_path / 'evil.pth'),
        f'--config={TINY}',
        '--output',
        str(tmp_path / 'run'),
        program=(SCRIPT,),
    )
    assert done.returncode == 1 and f'{os.name}.system' in done.stdout and 'Traceback' not in done.stdout
    assert os.listdir(tmp_path) == ['evil.pth']


@pytest.mark.slow
@pytest.mark.parametrize(
    ('folder', 'recipe'),
    [('r2gen_iu', 'r2gen'), ('r2gen_mimic', 'r2gen_mimic'), ('r2gencmn_mimic', 'r2gencmn_mimic')],
)
def test_a_checkpoint_of_a_relative_becomes_a_run_and_comes_back(shared_dir, tmp_path, folder, recipe):
    reference = shared_dir / 'family' / folder
    settings, shapes = (read_json(reference / f'{name}.json') for name in ('reference', 'manifest'))
    weights = draw_state_dict(shapes, settings['weights_seed'], settings.get('aliases', {}))
    naming = weight_names.naming_of(find('model.network', get_recipe(recipe).model.network))
    checkpoint = complete_state_dict(weights, fresh_buffers(weights, 1, naming), naming)
    checkpoint = {name: checkpoint[name] for name in shapes}
    write_state_dict(tmp_path / 'model.pth', checkpoint)
    (tmp_path / 'words.txt').write_text('\n'.join(['<unk>', *(f'word{i}' for i in range(1, settings['vocab_size']))]))
    output = succeed(
        f'--from_torch={tmp_path}/model.pth',
        f'--config=configs/{recipe}.py',
        f'--vocabulary={tmp_path}/words.txt',
        f'--output={tmp_path}/run',
        program=(SCRIPT,),
    )
    assert f'{settings["vocab_size"] + 1} rows of vocabulary, classifier False' in output
    trained = workdir.open_trained(tmp_path / 'run')
    assert trained.experiment.config.data.views == settings['views']
    convert_to_torch(tmp_path / 'run', tmp_path / 'back.pth')
    assert_identical(read_state_dict(tmp_path / 'back.pth'), checkpoint)
