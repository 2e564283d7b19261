"""A convolution and a pooling that give XLA's results, with gradients that are fast on CPU too.

XLA's CPU backend transposes whole maps for a convolution's gradient by its weights, which costs several times the
products themselves: here it is a sum over films of matrix products, each film small enough for the cache (accelerators
keep XLA's). XLA's gradient of a windowed maximum (select-and-scatter) runs serially on CPU: here each gradient goes to
the first largest value of its window, as XLA's and PyTorch's do, with nine shifted selections. TPUs keep XLA's, which
moves a fraction of the bytes there; on GPUs its sums of overlapping windows depend on the order of threads.
"""

from collections.abc import Sequence
from functools import partial, reduce
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from camanet_jax.models.layers import widened

SHIFTS = tuple(product(range(3), range(3)))  # row-major: the order in which equal values are told apart


def conv_general_dilated(
    x: Float[Array, 'B height width C'],
    kernel: Float[Array, 'K K C O'],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    **options: Any,
) -> Float[Array, 'B rows columns O']:
    """`lax.conv_general_dilated` as `nn.Conv` calls it: undilated, with strides and padding alike on all sides."""
    # That of the forward pass, as its context may be gone when gradients are made.
    options['precision'] = options.get('precision') or jax.config.jax_default_matmul_precision
    plain = partial(lax.conv_general_dilated, window_strides=strides, padding=padding, **options)

    def forward(x, kernel):
        return plain(x, kernel), (x, kernel)

    def backward(saved, gradient):
        x, kernel = saved
        (by_x,) = jax.linear_transpose(lambda x: plain(x, kernel), x)(gradient)
        return by_x, lax.platform_dependent(x, gradient, cpu=sum_over_films, default=by_kernel)

    def by_kernel(x, gradient):
        return jax.linear_transpose(lambda kernel: plain(x, kernel), kernel)(gradient)[0]

    def sum_over_films(x, gradient):
        def add(total, film):
            product = film_gradient(len(kernel), strides[0], padding[0][0], *film)
            return total + widened(product).reshape(kernel.shape), None

        return lax.scan(add, widened(jnp.zeros_like(kernel)), (x, gradient))[0].astype(kernel.dtype)

    convolve = jax.custom_vjp(plain)
    convolve.defvjp(forward, backward)
    return convolve(x, kernel)


def film_gradient(
    size: int, stride: int, padding: int, x: Float[Array, 'height width C'], gradient: Float[Array, 'rows columns O']
) -> Float[Array, '{size}*{size} C O']:
    """Sum over positions of the input around a position times the gradient there."""
    if stride == 1:  # the same from the gradient around each position, mirrored: it has fewer channels
        around = patches(gradient, size, 1, size - 1 - padding, x.shape[:2])[..., ::-1, :]
        return jnp.einsum('hwc,hwko->kco', x, around)
    around = patches(x, size, stride, padding, gradient.shape[:2])
    return jnp.einsum('hwkc,hwo->kco', around, gradient)


def patches(
    x: Float[Array, 'height width C'], size: int, stride: int, padding: int, positions: tuple[int, int]
) -> Float[Array, 'rows columns {size}*{size} C']:
    """The values around each of `positions` (rows, columns)."""
    padded = jnp.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    rows, columns = (stride * (number - 1) + 1 for number in positions)
    return jnp.stack(
        [
            lax.slice(padded, (i, j, 0), (i + rows, j + columns, x.shape[-1]), (stride, stride, 1))
            for i, j in product(range(size), repeat=2)
        ],
        -2,
    )


def windows(x: Float[Array, '... height width C']) -> list[Array]:
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
    return lax.platform_dependent(x, tpu=plain_max_pool, default=lambda x: reduce(jnp.maximum, windows(x)))


def plain_max_pool(x: Float[Array, '... height width C']) -> Float[Array, '... height_out width_out C']:
    """Same in the form that XLA knows."""
    others = (1,) * (x.ndim - 3)
    padding = [(0, 0)] * len(others) + [(1, 1), (1, 1), (0, 0)]
    return lax.reduce_window(x, -jnp.inf, lax.max, (*others, 3, 3, 1), (*others, 2, 2, 1), padding)


def max_pool_forward(x):
    """Saves the input and the maxima."""
    largest = max_pool(x)
    return largest, (x, largest)


def max_pool_backward(saved, gradient):
    """Adds each window's gradient at its first largest value."""
    return (lax.platform_dependent(*saved, gradient, tpu=plain_gradient, default=shifted_gradient),)


def plain_gradient(x, largest, gradient):
    """The gradient as XLA makes it of its own form."""
    del largest
    return jax.vjp(plain_max_pool, x)[1](gradient)[0]


def shifted_gradient(x, largest, gradient):
    """The same from nine shifted selections."""
    height, width = (side + 2 for side in x.shape[-3:-1])
    taken, total = jnp.zeros(largest.shape, bool), 0
    for (i, j), values in zip(SHIFTS, windows(x), strict=True):
        here = (values == largest) & ~taken
        taken |= here
        spread = [(i, height - i - (2 * gradient.shape[-3] - 1), 1), (j, width - j - (2 * gradient.shape[-2] - 1), 1)]
        edges = [(0, 0, 0)] * (x.ndim - 3) + spread + [(0, 0, 0)]
        total += lax.pad(jnp.where(here, gradient, 0), jnp.zeros((), gradient.dtype), edges)
    return total[..., 1:-1, 1:-1, :]


max_pool.defvjp(max_pool_forward, max_pool_backward)
