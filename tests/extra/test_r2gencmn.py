"""R2GenCMN against plain NumPy, its cached search against full passes, and its published checkpoints and values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_oracles import linear, softmax
from quick_modules import draw_variables, quick

from camanet_jax.configuration import fill_variant, recipe
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.experiment import Experiment
from camanet_jax.extra.r2gencmn import MemoryAttention
from camanet_jax.lab.parity.conditioning import Method
from camanet_jax.lab.parity.folders import check_parity
from camanet_jax.models import CamanetOutput
from camanet_jax.torch_io.buffers import buffers_of, complete_state_dict, fresh_buffers
from camanet_jax.torch_io.weight_names import load_variables, state_dict

TINY = {
    'model.backbone_options.blocks': (1, 1),
    'model.backbone_options.stem': 4,
    'model.width': 16,
    'model.feed_forward': 12,
    'model.heads': 2,
    'model.encoder_layers': 1,
    'model.decoder_layers': 2,
    'model.network_options.memory_rows': 12,
    'model.network_options.rows_read': 3,
    'data.image_size': 32,
    'dtype': 'float64',
}


@pytest.fixture(scope='module')
def tiny_network():
    """The recipe's network, small and in double precision, with variables and inputs."""
    config = recipe('r2gencmn')
    config.update_from_flattened_dict(TINY)
    rng = np.random.default_rng(3)
    inputs = rng.integers(0, 256, (2, 2, 32, 32)).astype(np.uint8), np.array([[0, 3, 1, 2], [0, 2, 2, 0]], np.int32)
    with jax.enable_x64(True):
        network = Experiment(fill_variant(config), Tokenizer(('.', '<unk>', 'clear'), 'iu_xray')).model()
        return network, draw_variables(network, *inputs, seed=3), inputs


def test_each_head_reads_the_rows_of_largest_score_alone(double):
    module = MemoryAttention(8, 2, 0.0, jnp.float64, jnp.float64, rows_read=3)
    rng = np.random.default_rng(0)
    tokens, memory = rng.normal(size=(1, 2, 8)), rng.normal(size=(7, 8))
    variables = draw_variables(module, tokens, memory, train=False)
    read, rows, weights = module.apply(variables, tokens, memory, train=False)
    params = variables['params']
    query, key, value = linear(params['query'], tokens[0]), *(linear(params[name], memory) for name in ('key', 'value'))
    mixed = np.zeros((2, 8))
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        for i in range(2):
            scores = key[:, part] @ query[i, part] / 2
            best = np.argsort(-scores)[:3]
            assert rows[0, head, i].tolist() == best.tolist()
            np.testing.assert_allclose(weights[0, head, i], softmax(scores[best]), rtol=1e-10)
            mixed[i, part] = softmax(scores[best]) @ value[best, part]
    np.testing.assert_allclose(read[0], linear(params['out'], mixed), rtol=1e-10)


def test_cached_steps_are_the_teacher_forced_pass(tiny_network, double):
    network, variables, (images, tokens) = tiny_network
    output: CamanetOutput = quick(network.apply)(variables, images, tokens)
    cross = network.apply(variables, output.encoding, method='cross_projections')
    cache = network.apply(variables, 2, 1, 4, method='empty_cache')
    step = quick(lambda *given: network.apply(variables, *given, method='decode_step'))
    for position in range(3):  # the second report ends there
        logits, attention, cache = step(tokens[:, position : position + 1], position, cache, cross)
        np.testing.assert_allclose(logits[:, 0], output.logits[:, position], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(attention[:, :, 0], output.cross_attention[:, :, position], rtol=1e-9)


def test_there_is_no_relational_memory_and_tokens_have_positions(tiny_network, double):
    network, variables, (images, tokens) = tiny_network
    params = variables['params']
    assert 'memory' not in params and params['decoder']['layer0']['norm1'].keys() == {'gamma', 'beta'}
    encoding = quick(lambda x: network.apply(variables, x, method='encode'))(images)
    swapped = encoding.projected[:, ::-1]
    moved = network.apply(variables, swapped, train=False, method='contextualise')[:, ::-1]
    assert np.abs(moved - encoding.encoded).max() > 1e-3


def test_a_checkpoint_in_its_names_comes_back(tiny_network):
    network, variables, _ = tiny_network
    variables = jax.tree.map(lambda value: value.astype(np.float32), variables)
    naming = network.torch_names
    weights = state_dict(variables, naming)
    whole = complete_state_dict(weights, fresh_buffers(weights, 3, naming), naming)
    assert whole['encoder_decoder.model.cmn.linears.3.bias'] is whole['encoder_decoder.cmn.linears.3.bias']
    assert {'encoder_decoder.memory_matrix', 'encoder_decoder.model.decoder.layers.1.sublayer.2.norm.a_2'} <= set(whole)
    found = load_variables(whole, variables, naming)
    jax.tree.map(np.testing.assert_array_equal, found, variables)
    assert set(naming.position_codes) < set(buffers_of(whole, naming))


@pytest.mark.slow
@pytest.mark.parametrize('x64', [False, True])
@pytest.mark.parametrize('name', ['r2gencmn_iu', 'r2gencmn_mimic'])
def test_the_published_programs_values_agree(shared_dir, name, x64):
    assert check_parity([shared_dir / 'family' / name], Method(x64))
