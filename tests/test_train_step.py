"""A step cut into parts or spread over devices is the step of the whole batch.

BatchNorm normalises each part by itself, so the backbone here has none. `test_sharding.py` runs this file once more
with eight devices.
"""

from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from camanet_jax import losses, sharding
from camanet_jax.models import Camanet
from camanet_jax.optim import LearningRates, make_optimiser
from camanet_jax.train_step import init_state, shares, train_step

STUDIES, LENGTH, WORDS = 16, 9, 12


class Patches(nn.Module):
    """A backbone without BatchNorm: one convolution of patches."""

    channels: int = 6
    dtype: Any = jnp.float64
    param_dtype: Any = jnp.float64

    @nn.compact
    def __call__(self, images, *, train: bool):
        """[B, I, height, width, 3] to [B, I, height / 8, width / 8, C]."""
        return nn.relu(nn.Conv(self.channels, (8, 8), 8, dtype=self.dtype, param_dtype=self.param_dtype)(images))


MODEL = Camanet(
    vocabulary_size=WORDS + 1,
    width=16,
    feed_forward=12,
    heads=2,
    encoder_layers=1,
    decoder_layers=1,
    dropout=0.0,
    projection_dropout=0.0,
    visual_extractor=Patches,
    tdm_candidates='words_and_bos',
    tdm_count='official',  # depends on the width of the batch, which parts must not change
    vdm_classes='labels',
    dtype=jnp.float64,
    param_dtype=jnp.float64,
)
TX = make_optimiser()
FIELDS = {'report_weight': 1.0, 'pseudo_label_weight': 1.0, 'vtac_weight': 0.5, 'contrastive_weight': 0.7}
WEIGHTS = losses.weights(FIELDS)
# What depends on the other studies of a batch, or on a study's place in it.
SHARED = MODEL.clone(dropout=0.3, projection_dropout=0.3, contrastive=True)


@pytest.fixture(scope='module')
def batch() -> dict[str, np.ndarray]:
    """Reports of all lengths; studies with positive labels, negative ones and none, unevenly over the parts."""
    positive, unlabelled = (np.array([kind == letter for kind in 'PNPNPUPNPNUPPNPU']) for letter in 'PU')
    rng = np.random.default_rng(0)
    lengths = 1 + np.arange(STUDIES) % (LENGTH - 1)
    places = np.arange(LENGTH + 1)
    labels = np.where(positive[:, None], rng.uniform(size=(STUDIES, 14)) < 0.3, 0.0)
    labels[positive, 3], labels[unlabelled] = 1, np.nan
    return {
        'images': rng.integers(0, 256, (STUDIES, 2, 16, 16)).astype(np.uint8),
        'tokens': np.where(
            (places > 0) & (places <= lengths[:, None]), rng.integers(1, WORDS, (STUDIES, LENGTH + 1)), 0
        ).astype(np.int32),
        'token_mask': (places <= lengths[:, None] + 1).astype(float),
        'labels': labels,
        'valid': np.ones(STUDIES, bool),
    }


@pytest.fixture(autouse=True)
def double():
    """In double precision, sums in another order agree to many digits."""
    with jax.enable_x64(True):
        yield


def step(batch, *, model: Camanet = MODEL, accumulate: int = 1, devices: int | None = None):
    """One step from a fresh state, on the first `devices` or all; returns the new state and the metrics."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:devices]), (sharding.STUDIES,))
    function = jax.jit(
        partial(train_step, model=model, tx=TX, accumulate=accumulate, mesh=mesh),
        out_shardings=sharding.replicated(mesh),
    )
    make = jax.jit(lambda: init_state(model, TX, jax.random.key(1), batch), out_shardings=sharding.replicated(mesh))
    return jax.device_get(
        function(make(), sharding.put_batch(batch, mesh), jax.random.key(2), WEIGHTS, LearningRates(1e-3, 2e-3))
    )


def test_parts_and_devices_make_the_step_of_the_whole_batch(batch):
    state, metrics = step(batch, accumulate=2)
    whole_state, whole_metrics = step(batch, devices=1)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9), metrics, whole_metrics)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=0, atol=1e-8), state.params, whole_state.params)


@pytest.mark.skipif(jax.device_count() == 1, reason='test_sharding.py runs it with eight devices')
def test_devices_draw_and_compare_as_one(batch):
    state, metrics = step(batch, model=SHARED)
    one_state, one_metrics = step(batch, model=SHARED, devices=1)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9), metrics, one_metrics)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=0, atol=1e-8), state.params, one_state.params)


def test_the_parts_differ_in_what_their_terms_are_divided_by(batch):
    """Else the mean of parts' means would be the mean of the whole, and the test above could not fail."""
    first, second = (losses.denominators({name: value[part::2] for name, value in batch.items()}) for part in range(2))
    for name in ('report_nll', 'pseudo_label_bce', 'vtac_mse'):
        assert first[name] != second[name], name


def test_a_map_of_zeros_is_empty_though_a_class_is_present():
    maps = SimpleNamespace(vdm=np.array([[0.0, 0.0], [0.0, 1.0]]), present=np.ones((2, 3), bool))
    found = shares(SimpleNamespace(encoding=maps, tdm=None), {'valid': np.ones(2, bool)}, 2)
    assert found == {'empty_vdm_share': 0.5}
