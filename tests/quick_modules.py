"""Modules with drawn variables, and functions that compile quickly."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from flax import linen as nn


def draw_variables(module: nn.Module, *inputs: Any, seed: int = 0, **options: Any) -> Any:
    """Random variables of a module: none at a value that hides a mistake (gamma 1, beta 0), and nothing compiled."""
    rng = np.random.default_rng(seed)
    with jax.enable_x64(True):
        shapes = jax.eval_shape(partial(module.init, **options), jax.random.key(0), *inputs)
    return jax.tree.map(
        lambda leaf: (
            rng.normal(size=leaf.shape) / leaf.shape[0] ** 0.5 if leaf.shape[1:] else rng.uniform(0.5, 1.5, leaf.shape)
        ),
        shapes,
    )


def quick(function: Callable) -> Callable:
    """The function jitted with little optimisation: quick to compile."""
    return jax.jit(function, compiler_options={'xla_backend_optimization_level': 0})
