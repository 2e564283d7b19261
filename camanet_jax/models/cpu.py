"""Products with maps and a pooling that give XLA's results, with gradients that are fast on CPU too.

XLA's CPU backend transposes whole maps for the gradient of a convolution or product by its weights, which costs more
than the products themselves: here it is a sum over a few films at a time, small enough for the cache, and a
convolution's gradient by the films comes from the same patches (accelerators keep XLA's). XLA's gradient of a windowed
maximum (select-and-scatter) runs serially on CPU: here each gradient goes to the first largest value of its window, as
XLA's and PyTorch's do, by nine selections. TPUs keep XLA's, which moves a fraction of the bytes there; on GPUs its sums
of overlapping windows depend on the order of threads.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial, reduce
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from camanet_jax.models.layers import widened

POSITIONS = 1568  # of maps, taken at a time: 2 films of 28 x 28, 8 of 14 x 14, never less than one film
SHIFTS = tuple(product(range(3), range(3)))  # row-major: the order in which equal values are told apart


def conv_general_dilated(
    x: Float[Array, 'B height width C'],
    kernel: Float[Array, 'K K C O'],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    **options: Any,
) -> Float[Array, 'B rows columns O']:
    """`lax.conv_general_dilated` as `nn.Conv` calls it: undilated, with strides and padding alike on all sides."""
    size, stride, before = len(kernel), strides[0], padding[0][0]
    plain = partial(lax.conv_general_dilated, window_strides=strides, padding=padding)

    def products(x, gradient, kernel):
        if stride > 1:
            around = patches(x, size, stride, before, gradient.shape[1:3])
            return jnp.einsum('bhwkc,bhwo->kco', around, gradient), None
        # From the gradient around each position: it has fewer channels, and gives both.
        around = patches(gradient, size, 1, size - 1 - before, x.shape[1:3], mirrored=True)
        # With 'kco' here XLA's CPU backend takes longer.
        by_kernel = jnp.einsum('bhwko,bhwc->koc', around, x).swapaxes(1, 2)
        return by_kernel, jnp.einsum('bhwko,kco->bhwc', around, kernel.reshape(-1, *kernel.shape[2:]))

    return apply(plain, products, x, kernel, **options)


def dot_general(
    x: Float[Array, '... height width C'], kernel: Float[Array, 'C O'], dimension_numbers: Any, **options: Any
) -> Float[Array, '... height width O']:
    """`lax.dot_general` as `nn.Dense` calls it on maps."""
    plain = partial(lax.dot_general, dimension_numbers=dimension_numbers)

    def products(x, gradient, kernel):
        del kernel
        return jnp.einsum('bhwc,bhwo->co', x, gradient), None

    return apply(plain, products, x, kernel, **options)


def apply(plain: Callable[..., Array], products: Callable[..., tuple], x: Array, kernel: Array, **options) -> Array:
    """`plain(x, kernel, **options)`, linear in both, with gradients from a few films at a time on CPU.

    `products(films, gradient, kernel)` gives the gradients by the kernel and by the films; None for these: XLA's own.
    """
    # That of the forward pass, as its context may be gone when gradients are made.
    options['precision'] = options.get('precision') or jax.config.jax_default_matmul_precision
    plain = partial(plain, **options)

    def forward(x, kernel):
        return plain(x, kernel), (x, kernel)

    def backward(saved, gradient):
        return lax.platform_dependent(*saved, gradient, cpu=by_films, default=at_once)

    def at_once(x, kernel, gradient):
        (by_kernel,) = jax.linear_transpose(lambda kernel: plain(x, kernel), kernel)(gradient)
        return by_x(x, kernel, gradient), by_kernel

    def by_x(x, kernel, gradient):
        return jax.linear_transpose(lambda x: plain(x, kernel), x)(gradient)[0]

    def by_films(x, kernel, gradient):
        def add(total, films):
            by_kernel, by_these = products(*films, kernel)
            return total + widened(by_kernel).reshape(kernel.shape), by_these

        parts = [maps.reshape(-1, films_at_a_time(x), *maps.shape[-3:]) for maps in (x, gradient)]
        total, by_all = lax.scan(add, widened(jnp.zeros_like(kernel)), parts)
        by_all = by_x(x, kernel, gradient) if by_all is None else by_all.reshape(x.shape)
        return by_all, total.astype(kernel.dtype)

    linear = jax.custom_vjp(plain)
    linear.defvjp(forward, backward)
    return linear(x, kernel)


def films_at_a_time(x: Float[Array, '... height width C']) -> int:
    """The largest divisor of the number of films that keeps to POSITIONS."""
    *films, height, width, _ = x.shape
    limit = max(POSITIONS // (height * width), 1)
    return next(number for number in range(limit, 0, -1) if math.prod(films) % number == 0)


def patches(
    x: Float[Array, 'B height width C'],
    size: int,
    stride: int,
    padding: int,
    positions: tuple[int, int],
    *,
    mirrored: bool = False,
) -> Float[Array, 'B rows columns {size}*{size} C']:
    """The values around each of `positions` (rows, columns), row by row, or from the last to the first."""
    shifts = list(product(range(size), repeat=2))
    padded = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows, columns = (stride * (number - 1) + 1 for number in positions)
    return jnp.stack(
        [
            lax.slice(padded, (0, i, j, 0), (len(x), i + rows, j + columns, x.shape[-1]), (1, stride, stride, 1))
            for i, j in (reversed(shifts) if mirrored else shifts)
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
    """The same from nine selections: even rows lie in one window, odd ones in two, and columns likewise."""
    first = jnp.full(largest.shape, len(SHIFTS), jnp.uint8)
    for index, values in reversed(list(enumerate(windows(x)))):
        first = jnp.where(values == largest, jnp.uint8(index), first)
    shares = [jnp.where(first == index, gradient, 0) for index in range(len(SHIFTS))]
    rows = [interleaved(shares[i : i + 3], x.ndim - 2, x.shape[-2]) for i in (0, 3, 6)]
    return interleaved(rows, x.ndim - 3, x.shape[-3])


def interleaved(shares: Sequence[Array], axis: int, size: int) -> Array:
    """Sums what windows give to their first, second and third position along `axis`, of `size` positions there."""
    before, even, after = shares
    to_the_next = [(-1, 1, 0) if i == axis else (0, 0, 0) for i in range(before.ndim)]
    odd = after + lax.pad(before, jnp.zeros((), before.dtype), to_the_next)
    pairs = jnp.stack([even, odd], axis + 1).reshape(*even.shape[:axis], -1, *even.shape[axis + 1 :])
    return lax.slice_in_dim(pairs, 0, size, axis=axis)


max_pool.defvjp(max_pool_forward, max_pool_backward)
