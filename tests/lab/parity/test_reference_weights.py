import numpy as np
import pytest

from camanet_jax.lab.parity.reference_weights import draw, draw_state_dict, projection, projections

DRAWN = {  # name: shape, deviation around, centre
    'visual_extractor.head.weight': ((14, 1024), 2 / 32, 0),
    'encoder_decoder.logit.weight': ((760, 512), 4 / 512**0.5, 0),
    'encoder_decoder.model.tgt_embed.0.lut.weight': ((760, 512), 1 / 512**0.5, 0),
    'encoder_decoder.model.rm.W.weight': ((1024, 512), 1 / 512**0.5, 0),
    'encoder_decoder.model.rm.W.bias': ((1024,), 0.1, 0),
    'visual_extractor.model.conv0.weight': ((64, 3, 7, 7), (2 / 147) ** 0.5, 0),
    'visual_extractor.model.norm5.weight': ((1024,), 0.1, 1),
    'visual_extractor.model.norm5.running_mean': ((1024,), 0.1, 0),
    'fore_back_learn.norm.gamma': ((1024,), 0.1, 1),
}


@pytest.mark.parametrize('name', DRAWN)
def test_each_kind_of_parameter_has_its_spread(name):
    shape, deviation, centre = DRAWN[name]
    values = draw(name, shape, 0)
    assert values.shape == shape and values.dtype == np.float32
    np.testing.assert_allclose((values.std(), values.mean()), (deviation, centre), rtol=0.1, atol=deviation / 5)


def test_variances_are_positive_and_the_scale_is_fixed():
    logs = np.log(draw('visual_extractor.model.norm5.running_var', (1024,), 0))
    np.testing.assert_allclose(logs.std(), 0.2, rtol=0.1)
    np.testing.assert_allclose(draw('encoder_decoder.logit_scale', (), 3), np.log(1 / 0.07), rtol=1e-7)


def test_values_depend_on_name_and_seed_only():
    first = draw('a.weight', (2, 3), 1)
    np.testing.assert_array_equal(first, draw('a.weight', (2, 3), 1))
    assert (first != draw('b.weight', (2, 3), 1)).all() and (first != draw('a.weight', (2, 3), 2)).all()


def test_names_that_hold_nothing_of_ours_are_not_drawn():
    ignored = {'visual_extractor.model.norm0.num_batches_tracked': [], 'fore_back_learn.fore_norm.gamma': [4]}
    assert list(draw_state_dict(ignored | {'a.bias': [2]}, 0)) == ['a.bias']


def test_a_second_name_holds_the_same_array_and_rules_are_applied_in_order():
    shapes = {'a.weight': [3], 'twin.weight': [3], 'b.bias': [3]}
    rules = [{'name': r'^a\.', 'plus': -1.0}, {'name': 'weight$', 'times': 0.5}]
    drawn = draw_state_dict(shapes, 0, {'twin.weight': 'a.weight'}, rules)
    one = draw('a.weight', (3,), 0)
    np.testing.assert_array_equal(drawn['a.weight'], (one - 1) / 2)
    np.testing.assert_array_equal(drawn['twin.weight'], one / 2)
    np.testing.assert_array_equal(drawn['b.bias'], draw('b.bias', (3,), 0))
    assert all(array.dtype == np.float32 for array in drawn.values())


def test_a_projection_is_linear_and_the_norm_is_not():
    array = np.random.default_rng(0).normal(size=(3, 4))
    norm, along = projection('name', array)
    np.testing.assert_allclose(norm, np.sqrt((array**2).sum()))
    np.testing.assert_allclose(projection('name', -2 * array), (2 * norm, -2 * along))
    rows = projections(['name', 'absent'], {'name': array})
    np.testing.assert_array_equal(rows, [[norm, along], [np.nan, np.nan]])
