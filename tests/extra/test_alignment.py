"""Losses that draw attention to maps: their least values, gradients, and the words that they are of."""

import jax
import jax.numpy as jnp
import numpy as np

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.extra import alignment
from camanet_jax.models.outputs import CamanetOutput, Encoding

EDEMA, FRACTURE = (OBSERVATIONS.index(name) for name in ('Edema', 'Fracture'))


def output(rows, vdm=None, cams=None, **fields):
    """The output of one study whose words look where `rows` [L, P] say."""
    encoding = Encoding(None, None, None, None, vdm=vdm, cams=cams)
    rest = dict.fromkeys(('embedded', 'relational_memory', 'decoded', 'logits'))
    return CamanetOutput(encoding, cross_attention=jnp.asarray(rows)[None, None], **rest | fields)


def test_the_divergence_sees_the_mass_that_min_max_scaling_hides():
    target = jnp.array([0.0, 1.0, 0.0, 0.0])
    faint, strong = jnp.array([0.24, 0.28, 0.24, 0.24]), jnp.array([0.02, 0.94, 0.02, 0.02])
    assert alignment.divergence(target, faint) > 1 > 0.1 > alignment.divergence(target, strong)
    np.testing.assert_allclose(alignment.divergence(target, 3 * target), 0, atol=1e-5)
    assert alignment.divergence(0 * target, faint) == 0


def test_its_gradient_by_the_scores_is_the_difference_of_the_distributions():
    target, scores = jnp.array([0.5, 1.0, 0.0]), jnp.array([0.3, -4.0, 1.0])
    found = jax.grad(lambda x: alignment.divergence(target, jax.nn.softmax(x)))(scores)
    np.testing.assert_allclose(found, jax.nn.softmax(scores) - target / 1.5, atol=1e-6)
    assert not jax.grad(alignment.divergence)(target, jax.nn.softmax(scores)).any()  # the map is not drawn to attention


def test_mass_is_of_the_rows_that_predict_the_selected_words():
    rows = np.eye(3, dtype=np.float32)
    chosen = dict(selection=jnp.array([[0.0, 0, 1]]), word_similarity=jnp.array([[0.9, 0.9, 0.5]]))
    # Input word 2 is predicted by row 1, which looks at token 1.
    values = [float(alignment.mass(output(rows, jnp.eye(3)[None, i], **chosen), {})[0]) for i in range(3)]
    assert values[1] < 1e-5 < 1 < min(values[0], values[2])
    unselected = chosen | {'selection': jnp.zeros((1, 3))}
    assert alignment.mass(output(rows, jnp.eye(3)[None, 0], **unselected), {})[0] == 0


def test_each_word_is_drawn_to_the_maps_of_its_own_findings(monkeypatch):
    tied = np.zeros((5, len(OBSERVATIONS)), bool)
    tied[3, EDEMA], tied[4, FRACTURE] = True, True
    monkeypatch.setattr(alignment, 'tied_words', lambda experiment: tied)
    loss = alignment.ClassWords(None)
    cams = np.zeros((1, len(OBSERVATIONS), 3), np.float32)
    cams[0, EDEMA, 0], cams[0, FRACTURE, 1] = 9.0, 0.1
    labels = np.zeros((1, len(OBSERVATIONS)))
    labels[0, [EDEMA, FRACTURE]] = 1
    batch = {'tokens': np.array([[0, 3, 1, 4]]), 'token_mask': np.ones((1, 4)), 'labels': labels}
    there, away = np.eye(3)[[0, 2, 1]], np.eye(3)[[1, 2, 1]]
    assert loss(output(there, cams=jnp.asarray(cams)), batch)[0] < 1e-5
    half = loss(output(away, cams=jnp.asarray(cams)), batch)[0]
    one = loss(output(away, cams=jnp.asarray(cams)), batch | {'token_mask': np.array([[1.0, 1, 0, 0]])})[0]
    assert half > 1 and np.isclose(one, 2 * half)
    assert loss(output(away, cams=jnp.asarray(cams)), batch | {'labels': 0 * labels})[0] == 0
