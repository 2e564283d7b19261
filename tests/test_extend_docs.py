"""The recipes of docs/extend.md, copied out of it and run from a folder of their own."""

import json
import os
import pickle
import re
import subprocess
import sys

import jax
import numpy as np
import pytest
from front_door import ROOT
from quick_modules import quick

from camanet_jax import sharding
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.experiment import Experiment, build_tokenizer, open_split
from camanet_jax.extensions import find
from camanet_jax.models import vdm
from camanet_jax.torch_io.weight_names import state_dict
from camanet_jax.train_step import init_state

TEXT = (ROOT / 'docs' / 'extend.md').read_text()
FILES = {name: code for code, name in re.findall(r'```python\n(# (\S+\.py)\n.*?)```', TEXT, re.DOTALL)}
COMMANDS = [
    line
    for block in re.findall(r'```bash\n(.*?)```', TEXT, re.DOTALL)
    for line in block.replace('\\\n', ' ').splitlines()
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """All files of the page beside each other."""
    folder = tmp_path_factory.mktemp('recipes')
    for name, code in FILES.items():
        (folder / name).write_text(code)
    return folder


@pytest.fixture
def execute(folder, compile_cache):
    """Runs a line of the page there; output on failure."""

    def run(line: str) -> None:
        program, *arguments = re.findall(r'(?:[^\s"]|"[^"]*")+', line.replace('"', ''))
        cache = [f'--config.compile_cache={compile_cache}'] if 'camanet_jax.main' in line else []
        done = subprocess.run(
            [{'python': sys.executable}[program], *arguments, *cache],
            cwd=folder,
            text=True,
            env=os.environ | {'PATH': os.path.dirname(sys.executable)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, done.stdout

    return run


def test_every_block_is_a_file_or_a_command_and_short():
    blocks = len(FILES) + TEXT.count('```bash')
    assert len(FILES) == TEXT.count('```python') == 16 and len(COMMANDS) == 13 and TEXT.count('```') == 2 * blocks
    assert all(code.count('\n') < 60 for code in FILES.values())
    assert all(re.search(rf'\b{name}\b', TEXT.replace(f'# {name}', '')) for name in FILES)


def test_the_maps_of_the_page_are_the_packages(folder):
    rng = np.random.default_rng(0)
    tokens, kernel = rng.uniform(size=(2, 9, 5)).astype(np.float32), rng.normal(size=(5, 3)).astype(np.float32)
    layercam, gradcam = (find('model.class_maps', f'{folder}/my_maps.py:{name}') for name in ('layercam', 'gradcam'))
    np.testing.assert_allclose(layercam(tokens, kernel), vdm.layercam(tokens, kernel), rtol=1e-5)
    np.testing.assert_allclose(
        gradcam(tokens, kernel), vdm.class_activation_maps(tokens, kernel) / 9, rtol=1e-4, atol=1e-7
    )


def test_rollout_is_a_distribution_over_patches(folder):
    module = find('model.visual_extractor', f'{folder}/my_vit.py:SmallViT')(patch=8, channels=8, layers=2)
    films = np.random.default_rng(0).normal(size=(2, 2, 16, 16, 3)).astype(np.float32)
    (features, scores), _ = module.init_with_output(jax.random.key(0), films, train=False)
    assert features.shape == (2, 2, 2, 2, 8)
    np.testing.assert_allclose(scores.sum((2, 3)), 1, rtol=1e-5)


def test_all_recipes_work_together(execute, folder):
    execute('python make_table.py')
    execute(
        'python -m camanet_jax.main --config=table_run.py --workdir=runs/all --config.loss.extra=my_loss.py:spread '
        '--config.loss.extra_weights=0.5 --config.model.class_maps=my_maps.py:layercam '
        '--config.evaluation.metrics=my_metric.py:denials --config.evaluation.constant_baseline=False '
        '--config.evaluation.shuffled_control=False --config.evaluation.figures=0'
    )
    first, *_, last = map(json.loads, (folder / 'runs' / 'all' / 'metrics.jsonl').read_text().splitlines())
    weighted = first['report_nll'] + first['pseudo_label_bce'] + 0.15 * first['vtac_mse'] + 0.5 * first['spread']
    assert first['loss'] == pytest.approx(weighted, rel=1e-6) and first['spread'] > 0
    scores = json.loads((folder / 'runs' / 'all' / 'scores.json').read_text())['test']
    assert scores['losses']['spread'] > 0
    assert scores['metrics'].keys() == {'denials/reports', 'denials/references'} <= last.keys()
    assert scores['metrics']['denials/references'] == pytest.approx(1 / 3)  # of each two reports' three sentences


@pytest.fixture
def make_network(folder, make_config, monkeypatch):
    """Makes the network and an example of its inputs, of the tiny configuration with a recipe's fields."""
    monkeypatch.chdir(folder)

    def make(changes):
        experiment = Experiment(make_config(changes), Tokenizer(('.', '<unk>', 'clear'), 'iu_xray'))
        batch = experiment.example_batch()
        return experiment.model(), (batch['images'], batch['tokens'][:, :3]), batch.get('extras', {})

    return make


def test_the_recurrent_decoders_steps_are_its_teacher_forced_pass(make_network):
    network, (films, _), _ = make_network({'model.network': 'gru.py:RecurrentCamanet'})
    tokens = np.array([[0, 2, 3]])
    variables = quick(network.init)(jax.random.key(0), films, tokens)
    assert 'decoder' not in variables['params'] and 'memory' not in variables['params']
    output = quick(network.apply)(variables, films, tokens)
    cross = network.apply(variables, output.encoding, method='cross_projections')
    cache = network.apply(variables, 1, 1, 3, method='empty_cache')
    for i in range(3):
        given = tokens[:, i : i + 1], i, cache, cross
        logits, attention, cache = network.apply(variables, *given, method='decode_step')
        np.testing.assert_allclose(logits[:, 0], output.logits[:, i], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(attention[:, :, 0], output.cross_attention[:, :, i], rtol=1e-4)


def test_the_indication_changes_what_is_encoded(make_network):
    changes = {'model.network': 'indication.py:WithIndication', 'data.extras': ('indication.py:indication',)}
    network, inputs, extras = make_network(changes)
    assert extras['indication'].shape == (1, 32) and not extras['indication'].any()
    variables = quick(network.init)(jax.random.key(0), *inputs, **extras)
    tokenizer = Tokenizer(('.', '<unk>', 'clear'), 'iu_xray')
    known = find('data.extras', 'indication.py:indication')({'indication': 'Clear.'}, tokenizer)
    assert known[:4].tolist() == [0, 3, 1, 0]
    encode = quick(lambda ids: network.apply(variables, inputs[0], indication=ids, method='encode').encoded)
    assert np.abs(encode(known[None]) - encode(extras['indication'])).max() > 1e-4


def test_dinos_names_are_the_published_files(make_network):
    module = find('model.visual_extractor', 'dino.py:Dino')(channels=8, layers=1, heads=2, trained_side=2)
    films = np.zeros((1, 1, 28, 28, 3), np.float32)
    features, variables = jax.eval_shape(lambda: module.init_with_output(jax.random.key(0), films, train=False))
    assert features.maps.shape == (1, 1, 2, 2, 8) and features.pooled.shape == (1, 1, 8)
    layer = 'norm1 norm2 attention.attention.query attention.attention.key attention.attention.value'.split()
    layer += 'attention.output.dense mlp.fc1 mlp.fc2'.split()
    pairs = ['embeddings.patch_embeddings.projection', 'layernorm', *(f'encoder.layer.0.{part}' for part in layer)]
    names = [f'{name}.{kind}' for name in pairs for kind in ('weight', 'bias')]
    names += [f'encoder.layer.0.layer_scale{i}.lambda1' for i in (1, 2)]
    names += ['embeddings.cls_token', 'embeddings.position_embeddings']
    found = state_dict(jax.tree.map(lambda leaf: np.empty(leaf.shape), variables), module.torch_names)
    assert sorted(found) == sorted(names) and found[names[0]].shape == (8, 3, 14, 14)


def test_byte_pairs_come_back_whole(folder):
    pytest.importorskip('tokenizers')
    make = find('data.tokenizer', f'{folder}/bpe.py:BytePairs')
    built = make.build(['The lungs are clear.', 'No effusion. The heart is large.'], cleaner='iu_xray', threshold=1)
    tokenizer = make.from_json(pickle.loads(pickle.dumps(built)).to_json())
    ids = tokenizer.encode('The heart is clear.')
    assert ids[0] == ids[-1] == 0 and max(ids) <= len(tokenizer)
    assert tokenizer.decode(ids[1:]) == 'the heart is clear .' and tokenizer.ids_of('the heart is clear .') == ids[1:-1]
    assert len(tokenizer.pieces(ids)) == len(ids) - 2


def test_rewards_of_the_references_themselves_are_the_largest(folder, make_config):
    config = make_config()
    train = open_split(config, 'train')
    experiment = Experiment(config, build_tokenizer(config, train))
    make = find('loss.batch_maker', f'{folder}/scst.py:SelfCritical')(experiment)
    batch = next(iter(experiment.eval_batches(train)))
    texts = batch['tokens'][:, 1:]
    assert make.score(texts, texts) == pytest.approx(10) and make.score(np.roll(texts, 1, 0), texts).mean() < 7
    state = init_state(experiment.model(), experiment.optimiser(), jax.random.key(0), experiment.example_batch())
    made = make(state, sharding.put_batch(batch, make.mesh), jax.random.key(1))
    tokens, mask = np.asarray(made['tokens']), np.asarray(made['token_mask'])
    assert tokens.shape == batch['tokens'].shape and not tokens[:, 0].any() and made['advantage'].shape == (8,)
    for row, kept in zip(tokens, mask, strict=True):
        words = int((row > 0).sum())
        assert (row[1 : words + 1] > 0).all() and kept.sum() == min(words + 2, len(row))


@pytest.mark.slow
def test_every_command_runs_as_it_stands(execute):
    for command in COMMANDS:
        execute(command)
