import jax
import numpy as np
import pytest
from numpy_oracles import layer_norm, linear, relu, sigmoid, vdm
from quick_modules import quick

from camanet_jax.models.vdm import class_activation_maps, visual_discriminative_map

PRESENT = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0]], bool)


@pytest.fixture
def cams():
    return relu(np.random.default_rng(0).normal(size=(3, 4, 9)))


@pytest.mark.parametrize('norm', ['class', 'map'])
def test_the_map_is_the_oracles(cams, norm, double):
    expected = [vdm(*study, norm) for study in zip(cams, PRESENT, strict=True)]
    np.testing.assert_allclose(visual_discriminative_map(cams, PRESENT, norm), expected, rtol=1e-12)


@pytest.mark.parametrize('norm', ['class', 'map'])
def test_no_present_class_or_a_flat_map_gives_zeros(norm):
    flat = np.full((1, 2, 4), 3.0)
    assert not visual_discriminative_map(flat, np.array([[False, False]]), norm).any()
    assert not visual_discriminative_map(flat, np.array([[True, True]]), norm).any()


def test_the_rules_differ_where_classes_have_different_strengths(cams):
    by_class, by_map = (visual_discriminative_map(cams, PRESENT, norm) for norm in ('class', 'map'))
    assert np.abs(by_class[0] - by_map[0]).max() > 0.05
    np.testing.assert_allclose(by_class[2], by_map[2], rtol=1e-6)  # one class: the same


def test_maps_have_no_bias_and_no_negative_values(double):
    rng = np.random.default_rng(1)
    tokens, kernel = rng.normal(size=(2, 6, 5)), rng.normal(size=(5, 3))
    expected = relu(np.stack([(study @ kernel).T for study in tokens]))
    np.testing.assert_allclose(class_activation_maps(tokens, kernel), expected, rtol=1e-12)


def test_the_model_follows_equations_6_to_11(tiny, output):
    encoding, params = output.encoding, tiny.variables['params']
    tokens = np.asarray(encoding.visual_tokens)
    logits = linear(params['classifier'], tokens.mean(1))
    present = sigmoid(logits) >= 0.5
    assert 0 < present.mean() < 1
    maps = relu(np.einsum('bpc,cy->byp', tokens, params['classifier']['kernel']))
    expected = np.stack([vdm(*study, 'class') for study in zip(maps, present, strict=True)])
    np.testing.assert_allclose(encoding.vdm, expected, rtol=1e-9, atol=1e-12)
    representation = layer_norm(**params['discriminative_norm'], x=np.einsum('bp,bpc->bc', expected, tokens))
    np.testing.assert_allclose(encoding.discriminative_representation, representation, rtol=1e-8)
    inputs = np.concatenate([representation[:, None], tokens], 1)
    projected = relu(linear(params['input_projection'], inputs))
    np.testing.assert_allclose(encoding.projected, projected, rtol=1e-8, atol=1e-10)


def test_no_gradient_goes_through_the_maps(tiny, double):
    def total(params):
        variables = tiny.variables | {'params': params}
        return tiny.model.apply(variables, tiny.batch['images'], method='encode').vdm.sum()

    assert not any(np.any(leaf) for leaf in jax.tree.leaves(quick(jax.grad(total))(tiny.variables['params'])))


@pytest.mark.parametrize('rule', ['predicted', 'labels', 'union'])
def test_training_can_take_the_classes_from_the_labels(tiny, output, rule, double):
    labels, predicted = tiny.batch['labels'], output.encoding.present
    expected = {'predicted': predicted, 'labels': labels > 0, 'union': predicted | (labels > 0)}[rule].copy()
    expected[:, [2, 4]] = False
    model = tiny.model.copy(vdm_classes=rule, cam_classes=(0, 1, 3))
    inputs = tiny.variables, output.encoding.class_logits, labels
    np.testing.assert_array_equal(model.apply(*inputs, train=True, method='present_classes'), expected)
    expected[:, [0, 1, 3]] = predicted[:, [0, 1, 3]]
    np.testing.assert_array_equal(model.apply(*inputs, train=False, method='present_classes'), expected)
