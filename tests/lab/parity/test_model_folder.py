"""Model folders: a tiny one made from this implementation's own values, and the real ones (slow)."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tampering import missed

from camanet_jax.lab.parity import model_folder
from camanet_jax.lab.parity.conditioning import FLOAT32, Method
from camanet_jax.lab.parity.folders import check_parity
from camanet_jax.lab.parity.model_folder import FILES, all_checks, check_model_folder, compare_files, read_case
from camanet_jax.lab.parity.report import Arrays, Report
from camanet_jax.models import Camanet
from camanet_jax.torch_io import weight_names

SIZES = dict(
    width=16,
    feed_forward=12,
    heads=2,
    encoder_layers=1,
    decoder_layers=1,
    backbone_options=dict(blocks=(1,), growth=4, stem=8),
)
SETTINGS = dict(
    weights_seed=5,
    views=1,
    vocab_size=10,
    max_seq_length=8,
    topk=0.3,
    lambda_=1.0,
    delta=0.5,
    weight_decay=5e-5,
    clip_value=0.1,
    searches=[{'beam_size': 2, 'eos_bias': 0.5}],
)


@pytest.fixture
def settings_file(tmp_path):
    def write(**changes):
        path = tmp_path / 'reference.json'
        path.write_text(json.dumps({key: value for key, value in (SETTINGS | changes).items() if value is not None}))
        return path

    return write


def test_settings_must_be_complete(settings_file):
    with pytest.raises(ValueError, match='reference.json: .*missing: delta, topk|missing: topk, delta'):
        model_folder.read_settings(settings_file(topk=None, delta=None))


def test_searches_are_checked_and_only_large_arrays_may_be_left_out(settings_file):
    assert model_folder.read_settings(settings_file(left_out=['patch_feats']))['left_out'] == ['patch_feats']
    with pytest.raises(ValueError, match='searches'):
        model_folder.read_settings(settings_file(searches=[{'beam': 3}]))
    with pytest.raises(ValueError, match='not losses'):
        model_folder.read_settings(settings_file(left_out=['patch_feats', 'losses']))


def batch():
    ids = np.array([[0, 3, 2, 9, 0, 0], [0, 1, 7, 4, 10, 5]], np.int32)
    return Arrays(
        'reference.npz',
        {
            'images_u8': np.random.default_rng(0).integers(0, 256, (2, 1, 32, 32)).astype(np.uint8),
            'report_ids': ids,
            'report_mask': np.array([[1, 1, 1, 1, 1, 0], [1] * 6], np.float32),
            'labels': np.eye(2, 14, dtype=np.float32),
            'trajectory_lr': np.array([1e-3, 2e-3]),
        },
    )


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('images_u8', np.zeros((2, 2, 32, 32), np.uint8)),
        ('images_u8', np.zeros((2, 1, 32, 32))),
        ('report_ids', np.full((2, 6), 1)),
        ('report_ids', np.array([[0, 3], [0, 11]])),
        ('report_mask', np.ones((2, 6))),
        ('labels', np.full((2, 14), 0.5)),
        ('labels', np.zeros((1, 14))),
        ('trajectory_lr', np.ones(1)),
    ],
)
def test_an_input_that_cannot_be_one_is_named(key, value):
    model_folder.check_batch(batch(), SETTINGS)
    with pytest.raises(ValueError, match=f'^{key}: expected'):
        model_folder.check_batch(Arrays('reference.npz', batch() | {key: value}), SETTINGS)


def test_a_folder_without_its_files_or_with_another_models_weights_is_a_miss(settings_file, tmp_path):
    settings_file()
    report = Report()
    report.guard('here', check_model_folder, tmp_path, 'here', report, FLOAT32)
    assert 'reference.npz: cannot be read' in report.lines[0].note
    for file in FILES:
        np.savez(tmp_path / file, **batch(), grad_names=np.array(['a']))
    (tmp_path / 'manifest.json').write_text('{"encoder_decoder.logit.bias": [11]}')
    report.guard('here', check_model_folder, tmp_path, 'here', report, FLOAT32, SIZES)
    assert 'encoder_decoder.logit.weight' in report.lines[1].note


@pytest.fixture(scope='module')
def tiny_folder(tmp_path_factory):
    """A folder of this implementation's own values, its arrays and its checks."""
    folder = tmp_path_factory.mktemp('tiny')
    model = Camanet(vocabulary_size=SETTINGS['vocab_size'] + 1, **SIZES)
    inputs = batch()
    shapes = jax.eval_shape(model.init, jax.random.key(0), inputs['images_u8'], jnp.zeros((2, 5), jnp.int32))
    names = [weight_names.CAMANET.name(path) for _, path in weight_names.flatten({'params': shapes['params']})]
    shapes = weight_names.state_dict(jax.tree.map(lambda leaf: np.empty(leaf.shape, bool), shapes))
    (folder / 'reference.json').write_text(json.dumps(SETTINGS))
    (folder / 'manifest.json').write_text(json.dumps({name: value.shape for name, value in shapes.items()}))
    arrays = {file: Arrays(file, {'grad_names': np.array(names)}) for file in FILES}
    arrays['reference.npz'] |= inputs
    with jax.enable_x64(True):
        case = read_case(folder, SETTINGS, inputs, True, SIZES)
        checks = all_checks(case, arrays, True)
    for file in FILES:
        arrays[file] |= {key: np.asarray(wanted[0].actual) for key, wanted in checks[file].items()}
        np.savez(folder / file, **arrays[file])
    return folder, arrays, checks


def tampered(key, value):
    """The array with its first largest element changed: by 2 percent, in later training by a factor."""
    value = value.copy()
    place = np.unravel_index(np.argmax(np.abs(value)) if value.dtype.kind in 'iuf' else 0, value.shape)
    if value.dtype == bool:
        value[place] = ~value[place]
    elif value.dtype.kind == 'U':
        value[place] = 'another.weight'
    elif value.dtype.kind in 'iu':
        value[place] -= 1
    else:
        value[place] *= 5 if key == 'update_norm_proj' else 1.02
    return value


@pytest.mark.slow
def test_every_key_of_every_file_is_read_and_judged(tiny_folder):
    folder, arrays, checks = tiny_folder
    report = Report()
    compare_files('tiny', arrays, checks, (), report)
    assert report.ok
    for file in FILES:
        for key in checks[file]:
            for value in (None, tampered(key, arrays[file][key])):
                changed = {name: array for name, array in arrays[file].items() if name != key}
                changed |= {} if value is None else {key: value}
                report = Report()
                compare_files('tiny', arrays | {file: changed}, checks, (), report)
                assert [name.split(' ')[0] for name in missed(report)][:1] == [f'{file}:{key}'], (file, key, value)


@pytest.mark.slow
def test_a_folder_is_read_back_in_float32_and_a_changed_label_shows(tiny_folder, tmp_path):
    folder, arrays, _ = tiny_folder
    report = Report()
    check_model_folder(folder, 'tiny', report, FLOAT32, SIZES)
    assert report.ok, report.summary()

    shutil.copytree(folder, tmp_path / 'changed')
    arrays = dict(arrays['reference.npz'])
    arrays['labels'] = 1 - arrays['labels']
    np.savez(tmp_path / 'changed/reference.npz', **arrays)
    report = Report()
    check_model_folder(tmp_path / 'changed', 'tiny', report, FLOAT32, SIZES)
    assert {f'{file}:losses' for file in FILES} <= set(missed(report))


@pytest.mark.slow
def test_the_rounding_of_float32_lies_within_the_limits_of_conditioning(tiny_folder):
    folder, _, _ = tiny_folder
    report = Report()
    check_model_folder(folder, 'tiny', report, Method(conditioning=True), SIZES)
    assert report.ok, [str(line) for line in report.lines if not line.ok]
    compared = [line for line in report.lines if line.tolerance]
    assert all(line.moved > 0 and line.tolerance < 0.1 for line in compared if line.name.endswith('losses'))


@pytest.mark.slow
@pytest.mark.parametrize('x64', [False, True])
def test_the_repositorys_folders_agree(golden, x64):
    assert check_parity([golden], Method(x64))


@pytest.mark.slow
@pytest.mark.parametrize('x64', [False, True])
def test_the_reference_folders_agree(shared_dir, x64):
    assert check_parity([shared_dir / 'reference'], Method(x64))
