import numpy as np
import pytest

from camanet_jax.lab.parity.rules import Close, Identical, first_difference, own_value

REFERENCE = np.array([100.0, 1.0])


def test_errors_are_relative_to_the_largest_value():
    rule = Close(1e-3)
    outcome = rule(np.array([100.0, 1.05]), REFERENCE)
    assert outcome.ok
    np.testing.assert_allclose(outcome[:2], (0.05, 5e-4))
    assert not rule(np.array([100.2, 1.0]), REFERENCE).ok


def test_errors_can_be_relative_to_each_value():
    assert not Close(1e-3, own_value)(np.array([100.0, 1.05]), REFERENCE).ok
    assert Close(1e-3, own_value)(np.array([100.05, 1.0]), REFERENCE).ok


def test_errors_below_the_floor_pass():
    reference = np.array([1.0, 1e-12])
    assert not Close(1e-3, own_value)(reference + 1e-9, reference).ok
    outcome = Close(1e-3, own_value, floor=1e-8)(reference + 1e-9, reference)
    assert outcome.ok and outcome.relative == 0


def test_only_the_part_is_compared_and_the_worst_place_named():
    rule = Close(1e-3, lambda x: x[:, 0], part=lambda x: x[:, 0], row_names=('first', 'second'))
    reference = np.array([[1.0, 5.0], [2.0, 6.0]])
    assert rule(reference + [0, 9], reference).ok
    outcome = rule(reference + [[0, 0], [1, 0]], reference)
    assert not outcome.ok and outcome.note == 'largest at second'


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_a_value_that_is_not_finite_never_passes(bad):
    assert not Close(1e9)(np.array([bad, 1.0]), REFERENCE).ok
    assert not Close(1e9)(REFERENCE, np.array([bad, 1.0])).ok


def test_another_shape_never_passes():
    assert not Close(1.0)(np.ones((2, 1)), np.ones(2)).ok
    assert not Identical()(np.ones((2, 1)), np.ones(2)).ok


def test_identical_counts_what_differs():
    assert Identical()(np.array([1, 2]), np.array([1, 2])).ok
    outcome = Identical()(np.array([1, 2, 3]), np.array([1, 9, 9]))
    assert not outcome.ok and outcome.note == '2 of 3 elements differ'


def test_a_difference_is_told_by_its_place_and_not_by_its_text():
    actual, reference = {'a': [['x', 'secret text']]}, {'a': [['x', 'other text']]}
    assert first_difference(actual, reference) == '/a/0/1 differs'
    assert first_difference({'a': 1}, {'a': 1, 'b': 2}) == '/b is only on one side'
    assert first_difference(actual, actual) == ''
    assert not Identical()(actual, reference).ok
