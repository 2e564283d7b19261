"""Gradients of the whole model against central differences, in double precision.

Two quantities carry no gradient by design: the VDM (and the representation's use of it), and the threshold and
spread of the soft selection. Differences are taken with both held at their values, gradients of the model as it is.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick_modules import quick

from camanet_jax import losses
from camanet_jax.models import camanet
from camanet_jax.models.vtac import number_selected, selection_counts

STEP = 1e-6  # larger ones cross kinks of ReLUs
WEIGHTS = {'report_nll': (1, 0, 0), 'pseudo_label_bce': (0, 1, 0), 'vtac_mse': (0, 0, 1), 'total': (1, 1, 0.5)}
VARIANTS = {'paper': {}, 'soft': {'tdm_selection': 'soft', 'tdm_temperature': 1.0}}


def mean_terms(tiny, model, params):
    """The three terms of the objective."""
    batch = tiny.batch
    output = model.apply(tiny.variables | {'params': params}, batch['images'], batch['tokens'][:, :-1])
    means = losses.means(losses.sums(output, batch), losses.denominators(batch))
    return jnp.stack([means[name] for name in WEIGHTS if name != 'total'])


@pytest.fixture(scope='module', params=VARIANTS)
def variant(request, tiny):
    """A model and the gradient of each loss."""
    model, params = tiny.model.copy(decoder_layers=1, **VARIANTS[request.param]), tiny.variables['params']
    with jax.enable_x64(True):
        gradient = quick(jax.grad(lambda params, weights: weights @ mean_terms(tiny, model, params)))
        return model, {name: gradient(params, np.array(weights, float)) for name, weights in WEIGHTS.items()}


def hold_what_has_no_gradient(monkeypatch, tiny, model):
    """Replaces the VDM and the soft selection's threshold and spread by their values at the tiny model's parameters."""
    output = tiny.run(model)
    candidates = tiny.batch['tokens'][:, :-1] > 0
    thresholds = []
    for scores, allowed, count in zip(
        output.word_similarity, candidates, number_selected(selection_counts(model.topk, 7), candidates, 7), strict=True
    ):
        descending = np.sort(scores[allowed])[::-1]
        thresholds.append([(descending[count - 1] + descending[count]) / 2, scores[allowed].std()])
    held, spread = np.split(np.array(thresholds), 2, axis=1)
    monkeypatch.setattr(camanet, 'visual_discriminative_map', lambda *inputs: jnp.asarray(output.encoding.vdm))
    monkeypatch.setattr(
        camanet,
        'soft_selection',
        lambda scores, allowed, counts, temperature: jnp.where(
            allowed, 1 / (1 + jnp.exp((held - scores) / (temperature * spread))), 0
        ),
    )


def directions(params, rng):
    """One random direction per part of the model."""
    zeros = jax.tree.map(np.zeros_like, params)
    for part in sorted(params):
        yield part, zeros | {part: jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), params[part])}


def test_each_loss_and_the_total(tiny, variant, monkeypatch, double):
    (model, gradients), params = variant, tiny.variables['params']
    hold_what_has_no_gradient(monkeypatch, tiny, model)
    evaluate = quick(partial(mean_terms, tiny, model))
    for part, direction in directions(params, np.random.default_rng(0)):
        there, back = (
            evaluate(jax.tree.map(lambda p, d, sign=sign: p + sign * STEP * d, params, direction)) for sign in (1, -1)
        )
        differences = np.asarray(there - back) / (2 * STEP)
        for name, weights in WEIGHTS.items():
            products = jax.tree.map(lambda g, d: (g * d).sum(), gradients[name], direction)
            np.testing.assert_allclose(
                sum(jax.tree.leaves(products)),
                weights @ differences,
                rtol=1e-6,
                atol=2e-9,
                err_msg=f'{name} along {part}',
            )


def test_the_parts_that_each_loss_reaches(variant):
    def reached(name):
        return {part for part, tree in variant[1][name].items() if any(np.any(leaf) for leaf in jax.tree.leaves(tree))}

    everything = reached('total')
    assert everything == set(variant[1]['total']) - {'unused_background_norm'}
    assert reached('report_nll') == everything - {'classifier'}
    assert reached('pseudo_label_bce') == {'backbone', 'classifier'}
    assert reached('vtac_mse') == everything - {'classifier', 'vocabulary_head'}
