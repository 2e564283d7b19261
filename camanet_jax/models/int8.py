"""Linear layers in 8-bit integers: a faster search on processors that multiply these at a higher rate than floats.

A kernel is rounded once, each of its columns in steps of 1/127 of its largest value; inputs are rounded where they are
read, each row in steps of its own. Their products are summed exactly, in 32 bits.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int8

COLLECTION = 'int8'  # of variables; a linear layer that finds its kernel here uses it
PARTS = 'decoder', 'memory'  # what reads a token; the vocabulary's scores stay as they are
LARGEST = 127


class Rounded(NamedTuple):
    """`values` times `step`."""

    values: Int8[Array, '...']
    step: Float[Array, '...']


def rounded(x: Float[Array, '...'], axis: int) -> Rounded:
    """Rounds to multiples of 1/127 of the largest absolute value along `axis`."""
    x = x.astype(jnp.float32)
    step = jnp.abs(x).max(axis, keepdims=True) / LARGEST
    return Rounded(jnp.round(x / jnp.where(step > 0, step, 1)).astype(jnp.int8), step)


def product(x: Float[Array, '... D'], kernel: Rounded) -> Float[Array, '... F']:
    """x W, with x rounded row by row and W [D, F] column by column."""
    x = rounded(x, axis=-1)
    return jnp.matmul(x.values, kernel.values, preferred_element_type=jnp.int32) * x.step * kernel.step


def with_rounded_kernels(variables: dict[str, Any]) -> dict[str, Any]:
    """The variables of a network with the rounded kernels of the layers that read a token.

    Raises:
      ValueError: the network has neither of `PARTS`.
    """
    params = variables['params']
    kernels = {part: rounded_kernels(params[part]) for part in PARTS if part in params}
    if not kernels:
        raise ValueError(
            f'Expected a network with {" or ".join(PARTS)} for search.int8=True, got one of {", ".join(params)}.'
        )
    return {**variables, COLLECTION: kernels}


def rounded_kernels(params: dict[str, Any]) -> dict[str, Any]:
    """The kernels [D, F] in a tree of parameters, rounded, in a tree of the same form."""
    below = {name: rounded_kernels(child) for name, child in params.items() if isinstance(child, dict)}
    own = {'kernel': rounded(params['kernel'], axis=0)} if 'kernel' in params else {}
    return own | {name: child for name, child in below.items() if child}
