"""A relative's folder: a tiny one made from this implementation's own values, and the real ones (slow)."""

import json

import jax
import numpy as np
import pytest
from tampering import change, missed

from camanet_jax.lab.parity import relatives
from camanet_jax.lab.parity.conditioning import FLOAT32, Method
from camanet_jax.lab.parity.folders import check_folder, check_parity
from camanet_jax.lab.parity.relatives import FILES, all_checks, read_case
from camanet_jax.lab.parity.report import Arrays, Report
from camanet_jax.torch_io import weight_names

RECIPE = """from ml_collections import ConfigDict

from camanet_jax.configuration import recipe


def get_config():
    config = recipe('r2gen')
    config.model.backbone_options = ConfigDict(dict(blocks=(1, 1), stem=4))
    config.model.update(width=16, feed_forward=12, heads=2, encoder_layers=1, decoder_layers=1)
    return config
"""
SETTINGS = dict(
    system='r2gen',
    weights_seed=5,
    views=2,
    vocab_size=10,
    max_seq_length=8,
    searches=[{'beam_size': 2, 'eos_bias': 0.5}, {'beam_size': 1, 'eos_bias': 0.0}],
    stored={'patch_feats': 'study 0'},
    scaling=[{'name': r'bn3\.weight$', 'times': 0.5}],
)


def test_settings_must_be_complete(tmp_path):
    (tmp_path / 'reference.json').write_text(json.dumps({'system': 'r2gen'}))
    with pytest.raises(ValueError, match='reference.json: .*missing: weights_seed, views'):
        relatives.check_relative(tmp_path, 'here', Report(), FLOAT32)


@pytest.fixture(scope='module')
def tiny_relative(tmp_path_factory):
    """A folder of this implementation's own values in double precision, and how its network is made."""
    folder = tmp_path_factory.mktemp('relative') / 'tiny'
    folder.mkdir()
    (folder.parent / 'mine.py').write_text(RECIPE)
    method = Method(x64=True, config=folder.parent / 'mine.py')
    (folder / 'reference.json').write_text(json.dumps(SETTINGS))
    (folder / 'manifest.json').write_text('{}')
    given = {
        'images_u8': np.random.default_rng(0).integers(0, 256, (2, 2, 32, 32)).astype(np.uint8),
        'report_ids': np.array([[0, 3, 2, 9, 0, 0], [0, 1, 7, 4, 10, 5]], np.int32),
        'report_mask': np.array([[1, 1, 1, 1, 1, 0], [1] * 6], np.float32),
    }
    with jax.enable_x64(True):
        model = read_case(folder, SETTINGS, given, method)[0].network
        shapes = jax.eval_shape(model.init, jax.random.key(0), given['images_u8'], given['report_ids'][:, :-1])
        names = [weight_names.CAMANET.name(path) for _, path in weight_names.flatten({'params': shapes['params']})]
        shapes = weight_names.state_dict(jax.tree.map(lambda leaf: np.empty(leaf.shape, bool), shapes))
        (folder / 'manifest.json').write_text(json.dumps({name: value.shape for name, value in shapes.items()}))
        case, weights = read_case(folder, SETTINGS, given, method)
        held = {'grad_names': np.array(names), 'patch_feats': np.zeros(1)}
        checks = all_checks(case, weights, {file: Arrays(file, held) for file in FILES}, True)
    for file, inputs in zip(FILES, (given, {}), strict=True):
        values = {key: np.asarray(wanted[0].actual) for key, wanted in checks[file].items()}
        np.savez(folder / file, **values | inputs | {'grad_names': np.array(names)})
    change(folder / FILES[0], **{'greedy_penalised/ids': np.zeros((2, 8), np.int32)})
    return folder, method


@pytest.mark.slow
def test_a_relative_is_read_back_and_a_changed_rule_shows(tiny_relative, tmp_path):
    folder, method = tiny_relative
    reports = []
    for settings in (SETTINGS, SETTINGS | {'scaling': []}):
        (folder / 'reference.json').write_text(json.dumps(settings))
        report = Report()
        check_folder(folder, report, method._replace(x64=False), tmp_path)
        reports.append(report)
    assert reports[0].ok, reports[0].lines
    assert [line.name for line in reports[0].lines if line.ok is None] == ['tiny/reference.npz:greedy_penalised/ids']
    assert {f'{file}:{key}' for file in FILES for key in ('loss', 'log_probs')} <= set(missed(reports[1]))


@pytest.mark.slow
@pytest.mark.parametrize('x64', [False, True])
@pytest.mark.parametrize('name', ['r2gen_iu', 'r2gen_mimic'])
def test_r2gens_references_agree(shared_dir, name, x64):
    assert check_parity([shared_dir / 'family' / name], Method(x64))
