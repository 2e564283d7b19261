"""The convolution's weight gradient and the pooling equal XLA's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from camanet_jax.models.cpu import conv_general_dilated, max_pool, plain_max_pool


def gradients(convolution, side, size, stride, padding, dtype):
    """By films and by weights, of something that is not linear."""
    rng = np.random.default_rng(0)
    films = jnp.array(rng.normal(size=(3, side, side, 4)), dtype)
    kernel = jnp.array(rng.normal(size=(size, size, 4, 5)), dtype)

    def total(films, kernel):
        found = convolution(
            films, kernel, (stride, stride), ((padding, padding),) * 2, dimension_numbers=('NHWC', 'HWIO', 'NHWC')
        )
        return jnp.sin(found).sum()

    return jax.jit(jax.grad(total, argnums=(0, 1)))(films, kernel)


@pytest.mark.parametrize(
    'side, size, stride, padding',
    [(8, 3, 1, 1), (9, 3, 1, 0), (7, 5, 1, 2), (8, 3, 2, 1), (9, 3, 2, 1), (16, 7, 2, 3), (9, 7, 2, 3)],
)
def test_gradients_are_those_of_xla(side, size, stride, padding, double):
    shape = side, size, stride, padding, jnp.float64
    jax.tree.map(
        lambda own, expected: np.testing.assert_allclose(own, expected, rtol=1e-10, atol=1e-11),
        gradients(conv_general_dilated, *shape),
        gradients(lax.conv_general_dilated, *shape),
    )


def test_gradients_keep_the_precision_of_the_films():
    found = gradients(conv_general_dilated, 8, 3, 1, 1, jnp.bfloat16)
    assert [array.dtype for array in found] == [jnp.bfloat16, jnp.bfloat16]


def test_both_forms_of_the_pooling_give_the_same():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (2, 9, 8, 4)).astype(np.float32)  # with many equal values
    pooled, pull_back = jax.vjp(max_pool, x)
    known, known_pull_back = jax.vjp(plain_max_pool, x)
    gradient = rng.integers(-4, 4, pooled.shape).astype(np.float32)
    np.testing.assert_array_equal(pooled, known)
    np.testing.assert_array_equal(*pull_back(gradient), *known_pull_back(gradient))
