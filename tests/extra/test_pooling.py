"""The classifier that reads its strongest tokens: its limits, missing films, and the model around it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick_modules import quick

from camanet_jax.extra.pooling import PeakedCamanet
from camanet_jax.models import Camanet

BACKBONE = dict(blocks=(1, 1), growth=4, stem=8)
SMALL = dict(vocabulary_size=9, width=8, feed_forward=8, heads=2, encoder_layers=1, backbone_options=BACKBONE)
FILMS = np.random.default_rng(0).integers(0, 256, (2, 2, 32, 32), dtype=np.uint8)
TOKENS = np.ones((2, 5), int)


def encoded(network, view_mask=None, variables=None, **own):
    """A network's encoding of the films, and its variables: those given, or initial ones."""
    model = network(**SMALL, **own)
    variables = variables or quick(partial(model.init, method='encode'))(jax.random.key(0), FILMS)
    return quick(partial(model.apply, method='encode'))(variables, FILMS, view_mask=view_mask), variables


def scores_of_tokens(encoding, variables):
    """Logits [B, P, Y] of every token alone."""
    classifier = variables['params']['classifier']
    return encoding.visual_tokens @ classifier['kernel'] + classifier['bias']


def test_it_lies_between_the_mean_and_the_strongest_token():
    plain, variables = encoded(Camanet)
    scores = scores_of_tokens(plain, variables)
    logits = {r: encoded(PeakedCamanet, variables=variables, sharpness=r)[0].class_logits for r in (1e-3, 1.0, 1e3)}
    np.testing.assert_allclose(logits[1e-3], plain.class_logits, atol=1e-3)
    np.testing.assert_allclose(logits[1.0], jnp.log(jnp.exp(scores).mean(1)), atol=1e-5)
    np.testing.assert_allclose(logits[1e3], scores.max(1), atol=1e-2)
    assert (logits[1e-3] < logits[1.0]).all() and (logits[1.0] < logits[1e3]).all()


def test_tokens_of_films_that_a_study_does_not_have_are_left_out():
    there = np.array([[True, True], [True, False]])
    both, variables = encoded(PeakedCamanet)
    masked, _ = encoded(PeakedCamanet, there, variables)
    scores = scores_of_tokens(both, variables)
    half = scores.shape[1] // 2
    np.testing.assert_allclose(masked.class_logits[0], both.class_logits[0], atol=1e-5)
    np.testing.assert_allclose(masked.class_logits[1], jnp.log(jnp.exp(scores[1, :half]).mean(0)), atol=1e-5)


def test_its_maps_and_parameters_are_camanets():
    whole = (jax.eval_shape(kind(**SMALL).init, jax.random.key(0), FILMS, TOKENS) for kind in (Camanet, PeakedCamanet))
    assert next(whole) == next(whole)
    (plain, _), (peaked, _) = encoded(Camanet), encoded(PeakedCamanet)
    np.testing.assert_array_equal(peaked.cams, plain.cams)


def test_a_sharpness_of_0_is_refused():
    with pytest.raises(ValueError, match='sharpness above 0, got 0'):
        PeakedCamanet(**SMALL, sharpness=0)
