from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from quick_modules import quick

from camanet_jax import decoding
from camanet_jax.models import int8
from camanet_jax.models.layers import linear

INPUTS, FEATURES = 96, 40


def test_whole_numbers_of_steps_are_multiplied_exactly():
    rng = np.random.default_rng(0)
    x, kernel = (rng.integers(-127, 128, shape).astype(np.float32) for shape in ((5, INPUTS), (INPUTS, FEATURES)))
    x[:, 0] = kernel[0] = 127  # the largest value of every row and column
    steps = 2.0 ** -rng.integers(0, 9, FEATURES)

    found = int8.product(x / 4, int8.rounded(kernel * steps, axis=0))

    assert_array_equal(found, (x @ kernel) / 4 * steps)


def test_a_row_of_zeros_stays_zero():
    assert_array_equal(int8.product(jnp.zeros((2, 3)), int8.rounded(jnp.zeros((3, 4)), axis=0)), np.zeros((2, 4)))


def test_a_layer_with_a_rounded_kernel_is_off_by_what_rounding_allows():
    rng = np.random.default_rng(1)
    layer, x = linear(INPUTS, FEATURES), rng.normal(size=(7, INPUTS)).astype(np.float32)
    variables = layer.init(jax.random.key(0), x)
    kernel = np.asarray(variables['params']['kernel'])
    exact = layer.apply(variables, x)

    found = layer.apply({**variables, int8.COLLECTION: int8.rounded_kernels(variables['params'])}, x)

    steps = np.abs(x).max(1, keepdims=True) / 127, np.abs(kernel).max(0, keepdims=True) / 127
    limit = steps[0] / 2 * np.abs(kernel).sum(0) + np.abs(x).sum(1, keepdims=True) * steps[1] / 2
    assert np.all(np.abs(found - exact) <= limit + INPUTS * steps[0] * steps[1] / 4 + 1e-5)
    assert np.abs(found - exact).max() > 1e-4  # it did compute in integers


@pytest.fixture
def search(tiny, double):
    """The tiny model's search, of the encoded batch, with its options."""
    encode = partial(tiny.model.apply, tiny.variables, method='encode')
    encoding = quick(encode)(tiny.batch['images'])
    return partial(decoding.decode_reports, tiny.variables, encoding, model=tiny.model, max_length=5)


def test_the_search_multiplies_integers_in_every_layer_that_reads_a_token(tiny, search):
    def products(**options):
        text = jax.jit(lambda: search(**options)).lower().as_text()
        lines = [line for line in text.splitlines() if 'dot_general' in line]
        return len(lines), sum('xi8>' in line for line in lines)

    params = tiny.variables['params']
    leaves = jax.tree_util.tree_leaves_with_path([params[part] for part in int8.PARTS])
    kernels = sum(path[-1].key == 'kernel' for path, _ in leaves)
    number, none = products()
    same_number, integers = products(int8=True)
    # The memory's keys and values are made twice: of the memory, and of the token that it reads.
    assert (none, integers, same_number) == (0, kernels + 2, number)


def test_its_scores_stay_near(search):
    exact, found = search().scores, search(int8=True).scores
    assert_allclose(found, exact, rtol=0.02)
    assert np.abs(found - exact).max() > 1e-6


def test_a_network_without_these_parts_is_refused():
    with pytest.raises(
        ValueError, match='Expected a network with decoder or memory for search.int8=True, got one of core'
    ):
        int8.with_rounded_kernels({'params': {'core': {}}})
