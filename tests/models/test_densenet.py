from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick_modules import draw_variables, quick

from camanet_jax.models.batch_norm import BatchNorm, moments, relu
from camanet_jax.models.densenet import DenseNet, Transition

STATISTICS = {'mean': np.array([0.5, -1.0, 2.0]), 'var': np.array([1.0, 4.0, 0.3])}
PARAMS = {'scale': np.array([1.0, -2.0, 0.5]), 'bias': np.array([0.1, 0.0, -3.0])}


@pytest.fixture
def films():
    return np.random.default_rng(0).normal(1.5, 2, (2, 2, 3, 4, 3))  # [B, I, height, width, C]


def normalise(x, mean, variance):
    return PARAMS['scale'] * (x - mean) / np.sqrt(variance + 1e-5) + PARAMS['bias']


def test_relu_has_no_gradient_at_zero():
    x = jnp.array([-2.0, -0.0, 0.0, 3.0])
    np.testing.assert_array_equal(relu(x), [0, 0, 0, 3])
    np.testing.assert_array_equal(jax.grad(lambda x: (relu(x) * jnp.arange(1.0, 5.0)).sum())(x), [0, 0, 0, 4])


def test_evaluation_uses_the_running_statistics(films, double):
    variables = {'params': PARAMS, 'batch_stats': STATISTICS}
    actual = BatchNorm(jnp.float64).apply(variables, films, train=False)
    np.testing.assert_allclose(actual, normalise(films, STATISTICS['mean'], STATISTICS['var']), rtol=1e-10)


def test_training_normalises_each_view_and_updates_twice_with_the_unbiased_variance(films, double):
    variables = {'params': PARAMS, 'batch_stats': STATISTICS}
    actual, changed = BatchNorm(jnp.float64).apply(
        variables, films, moments(films), train=True, mutable=['batch_stats']
    )
    mean, variance = STATISTICS['mean'], STATISTICS['var']
    for view in range(2):
        x = films[:, view]
        expected = normalise(x, x.mean((0, 1, 2)), x.var((0, 1, 2)))
        np.testing.assert_allclose(actual[:, view], expected, rtol=1e-10, atol=1e-12)
        mean = 0.9 * mean + 0.1 * x.mean((0, 1, 2))
        variance = 0.9 * variance + 0.1 * x.var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(changed['batch_stats']['mean'], mean, rtol=1e-12)
    np.testing.assert_allclose(changed['batch_stats']['var'], variance, rtol=1e-12)


def test_two_views_equal_two_passes_of_one_view(double):
    films = np.random.default_rng(1).normal(size=(2, 2, 32, 32, 3))
    model = DenseNet(blocks=(2, 1), growth=4, stem=8, dtype=jnp.float64, param_dtype=jnp.float64)
    variables = draw_variables(model, films, train=False)
    step = quick(lambda variables, x: model.apply(variables, x, train=True, mutable=['batch_stats']))
    together, changed = step(variables, films)
    for view in range(2):
        one, statistics = step(variables, films[:, view : view + 1])
        variables = variables | statistics
        np.testing.assert_allclose(together[:, view : view + 1], one, rtol=1e-8, atol=1e-10)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9), changed['batch_stats'], variables['batch_stats']
    )


def test_remat_changes_nothing_but_what_is_kept(double):
    films = np.random.default_rng(0).normal(size=(2, 2, 16, 16, 3))

    def gradients_and_statistics(remat):
        model = DenseNet(blocks=(2, 1), growth=4, stem=8, dtype=jnp.float64, param_dtype=jnp.float64, remat=remat)
        variables = DenseNet(blocks=(2, 1), growth=4, stem=8, param_dtype=jnp.float64).init(
            jax.random.key(0), films, train=False
        )

        def loss(params):
            found, changed = model.apply(variables | {'params': params}, films, train=True, mutable=['batch_stats'])
            return jnp.square(found).sum(), changed

        return jax.jit(jax.value_and_grad(loss, has_aux=True))(variables['params'])

    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-12),
        gradients_and_statistics(True),
        gradients_and_statistics(False),
    )


def test_pooling_before_the_transition_convolution_changes_nothing(double):
    x = np.random.default_rng(2).normal(size=(1, 1, 4, 4, 6))
    module = Transition(jnp.float64, jnp.float64)
    variables = draw_variables(module, x, None, train=False)
    norm, statistics = variables['params']['norm'], variables['batch_stats']['norm']
    normed = norm['scale'] * (x - statistics['mean']) / np.sqrt(statistics['var'] + 1e-5) + norm['bias']
    convolved = np.maximum(normed, 0) @ variables['params']['conv']['kernel']
    expected = convolved.reshape(1, 1, 2, 2, 2, 2, 3).mean((3, 5))
    np.testing.assert_allclose(module.apply(variables, x, None, train=False), expected, rtol=1e-10)


def test_densenet_121_makes_49_tokens_of_1024_channels():
    model = DenseNet()
    films = jnp.zeros((1, 2, 224, 224, 3))
    shapes = jax.eval_shape(lambda: model.init_with_output(jax.random.key(0), films, train=False))
    assert shapes[0].shape == (1, 2, 7, 7, 1024) and model.channels == 1024
    sizes = [np.prod(leaf.shape) for leaf in jax.tree.leaves(shapes[1]['params'])]
    assert sum(sizes) == 6_953_856  # torchvision's densenet121.features
