"""3x3 maximum pooling with stride 2 whose gradient is fast on every backend.

XLA's own gradient of a windowed maximum (select-and-scatter) runs serially on CPU. This one sends each gradient to the
first largest value of its window, as XLA's and PyTorch's do, with nine shifted selections.
"""

from functools import reduce
from itertools import product

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

SHIFTS = tuple(product(range(3), range(3)))  # row-major: the order in which equal values are told apart


def shifted(x: Float[Array, '... height width C']) -> list[Array]:
    """The nine values of every window, [..., height / 2, width / 2, C] each."""
    *batch, height, width, channels = x.shape
    padded = jnp.pad(x, [(0, 0)] * len(batch) + [(1, 1), (1, 1), (0, 0)], constant_values=-jnp.inf)
    stride = (*(1 for _ in batch), 2, 2, 1)
    rows, columns = 2 * ((height - 1) // 2) + 1, 2 * ((width - 1) // 2) + 1
    return [
        lax.slice(padded, (*(0 for _ in batch), i, j, 0), (*batch, i + rows, j + columns, channels), stride)
        for i, j in SHIFTS
    ]


@jax.custom_vjp
def max_pool(x: Float[Array, '... height width C']) -> Float[Array, '... height_out width_out C']:
    """Largest value of every 3x3 window, stride 2, padding 1."""
    return reduce(jnp.maximum, shifted(x))


def forward(x):
    """Saves the input and the maxima."""
    largest = max_pool(x)
    return largest, (x, largest)


def backward(saved, gradient):
    """Adds each window's gradient at its first largest value."""
    x, largest = saved
    height, width = (side + 2 for side in x.shape[-3:-1])
    taken, total = jnp.zeros(largest.shape, bool), 0
    for (i, j), values in zip(SHIFTS, shifted(x), strict=True):
        here = (values == largest) & ~taken
        taken |= here
        spread = [(i, height - i - (2 * gradient.shape[-3] - 1), 1), (j, width - j - (2 * gradient.shape[-2] - 1), 1)]
        edges = [(0, 0, 0)] * (x.ndim - 3) + spread + [(0, 0, 0)]
        total += lax.pad(jnp.where(here, gradient, 0), jnp.zeros((), gradient.dtype), edges)
    return (total[..., 1:-1, 1:-1, :],)


max_pool.defvjp(forward, backward)
