"""One tiny model for all tests of the model: seconds on a CPU."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick_modules import draw_variables, quick

from camanet_jax.models import Camanet, CamanetOutput

TINY = dict(
    vocabulary_size=11,
    observations=5,
    width=16,
    feed_forward=12,
    heads=2,
    encoder_layers=1,
    decoder_layers=2,
    max_positions=16,
    backbone_options=dict(blocks=(1, 1), growth=4, stem=8),
)


class Tiny(NamedTuple):
    """A model in double precision, its variables and a batch of three studies."""

    model: Camanet
    variables: dict[str, Any]
    batch: dict[str, np.ndarray]

    def run(self, model: Camanet | None = None):
        """One pass over the batch, as NumPy arrays."""
        apply = quick((model or self.model).apply)
        with jax.enable_x64(True):
            output = apply(self.variables, self.batch['images'], self.batch['tokens'][:, :-1])
        return jax.tree.map(np.asarray, output)


@pytest.fixture(scope='session')
def tiny() -> Tiny:
    rng = np.random.default_rng(4)
    tokens = np.array([[0, 3, 7, 2, 9, 5, 0, 0], [0, 4, 4, 1, 0, 0, 0, 0], [0, 8, 6, 10, 3, 2, 1, 0]], np.int32)
    batch = {
        'images': rng.integers(0, 256, (3, 2, 32, 32)).astype(np.uint8),
        'tokens': tokens,
        'token_mask': np.array([[1] * 7 + [0], [1] * 5 + [0] * 3, [1] * 8], np.float64),
        'labels': np.array([[0, 1, 0, 0, 1], [0, 0, 0, 0, 0], [1, 0, 0, 1, 0]], np.float64),
        'valid': np.ones(3, bool),
    }
    with jax.enable_x64(True):
        model = Camanet(**TINY, dtype=jnp.float64, param_dtype=jnp.float64)
        variables = draw_variables(model, batch['images'], tokens[:, :-1], seed=4)
    return Tiny(model, variables, batch)


@pytest.fixture(scope='session')
def output(tiny) -> CamanetOutput:
    """The tiny model's pass over its batch."""
    return tiny.run()
