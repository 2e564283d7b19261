"""The convolution's weight gradient and the pooling equal XLA's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from camanet_jax.models.cpu import conv_general_dilated, dot_general, films_at_a_time, max_pool, plain_max_pool


def gradients(operation, films, kernel):
    """By films and by weights, of something that is not linear."""
    return jax.jit(jax.grad(lambda *given: jnp.sin(operation(*given)).sum(), argnums=(0, 1)))(films, kernel)


def convolution_gradients(convolution, side, size, stride, padding, dtype):
    """The same of a convolution."""
    rng = np.random.default_rng(0)
    films = jnp.array(rng.normal(size=(3, side, side, 4)), dtype)
    kernel = jnp.array(rng.normal(size=(size, size, 4, 5)), dtype)
    options = dict(dimension_numbers=('NHWC', 'HWIO', 'NHWC'))
    given = (stride, stride), ((padding, padding),) * 2
    return gradients(lambda films, kernel: convolution(films, kernel, *given, **options), films, kernel)


def assert_close(found, expected):
    """Within the rounding of float64."""
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(
    'side, size, stride, padding',
    [(8, 3, 1, 1), (9, 3, 1, 0), (7, 5, 1, 2), (8, 3, 2, 1), (9, 3, 2, 1), (16, 7, 2, 3), (9, 7, 2, 3)],
)
def test_gradients_are_those_of_xla(side, size, stride, padding, double):
    shape = side, size, stride, padding, jnp.float64
    own, expected = (convolution_gradients(c, *shape) for c in (conv_general_dilated, lax.conv_general_dilated))
    assert_close(own, expected)


def test_gradients_of_products_are_those_of_xla(double):
    rng = np.random.default_rng(0)
    maps, kernel = jnp.array(rng.normal(size=(3, 2, 7, 6, 4))), jnp.array(rng.normal(size=(4, 5)))
    numbers = ((4,), (0,)), ((), ())
    own, expected = (
        gradients(lambda maps, kernel, product=product: product(maps, kernel, numbers), maps, kernel)
        for product in (dot_general, lax.dot_general)
    )
    assert_close(own, expected)


@pytest.mark.parametrize(
    'studies, side, films', [(8, 56, 1), (8, 28, 2), (7, 14, 7), (3, 14, 6), (8, 7, 16), (1, 2, 2)]
)
def test_films_at_a_time_divide_all_films(studies, side, films):
    assert films_at_a_time(jnp.zeros((studies, 2, side, side, 1))) == films


def test_gradients_keep_the_precision_of_the_films():
    found = convolution_gradients(conv_general_dilated, 8, 3, 1, 1, jnp.bfloat16)
    assert [array.dtype for array in found] == [jnp.bfloat16, jnp.bfloat16]


def test_both_forms_of_the_pooling_give_the_same():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (2, 9, 8, 4)).astype(np.float32)  # with many equal values
    pooled, pull_back = jax.vjp(max_pool, x)
    known, known_pull_back = jax.vjp(plain_max_pool, x)
    gradient = rng.integers(-4, 4, pooled.shape).astype(np.float32)
    np.testing.assert_array_equal(pooled, known)
    np.testing.assert_array_equal(*pull_back(gradient), *known_pull_back(gradient))
