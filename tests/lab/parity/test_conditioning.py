import numpy as np
import pytest

from camanet_jax.lab.parity.conditioning import FEWEST_UNITS, MULTIPLE, UNITS, Method, Movement, move
from camanet_jax.lab.parity.report import Check, Report
from camanet_jax.lab.parity.rules import Close, Identical, own_value

WEIGHTS = {'a': np.array([1.25, -1.5, 3e-9, 0.0], np.float32), 'b': np.linspace(-5, 5, 200, dtype=np.float32)}


def test_a_weight_moves_to_its_neighbour_and_zero_stays():
    moved = {name: array.astype(np.float32) for name, array in move(WEIGHTS, UNITS['float32']).items()}
    for name, array in WEIGHTS.items():
        neighbours = np.nextafter(array, np.float32(-np.inf)), np.nextafter(array, np.float32(np.inf))
        kept = array == 0
        assert ((moved[name] == neighbours[0]) | (moved[name] == neighbours[1]) | kept).all()
        assert (moved[name][kept] == 0).all()
    up = moved['b'] > WEIGHTS['b']
    assert 0.3 < up.mean() < 0.7


@pytest.mark.parametrize(('precision', 'digits'), [('tensorfloat32', 10), ('bfloat16', 7)])
def test_a_coarser_format_moves_by_its_own_last_place(precision, digits):
    moved = move(WEIGHTS, UNITS[precision])['a']
    np.testing.assert_array_equal(np.abs(moved[:2] - WEIGHTS['a'][:2]), [2.0**-digits] * 2)


def test_draws_move_weights_in_other_directions():
    first, second = (move(WEIGHTS, UNITS['float32'], draw)['b'] > WEIGHTS['b'] for draw in range(2))
    assert 0.3 < (first == second).mean() < 0.7


def limits(rule, actual, moved, reference, unit=2.0**-52, *, others=()):
    report = Report()
    movement = Movement([{'a': [Check(draw, rule)]} for draw in (moved, *others)], unit)
    report.compare_file('file', {'a': reference}, {'a': [Check(actual, rule)]}, movement=movement)
    (line,) = report.lines
    return line


def test_a_limit_follows_the_own_movement_whatever_the_rule_had():
    actual = np.array([1.0, 2.0])
    line = limits(Close(1e-30, own_value), actual, actual * (1 + 1e-6), actual * (1 + 0.9e-6 * MULTIPLE))
    assert line.ok and line.moved == pytest.approx(1e-6, rel=1e-3) and line.tolerance == MULTIPLE * line.moved
    assert not limits(Close(1.0, own_value), actual, actual * (1 + 1e-6), actual * (1 + 1.1e-6 * MULTIPLE)).ok
    assert f'{line.moved:9.1e}' in str(line)


def test_the_farthest_of_the_draws_counts():
    actual, rule = np.array([1.0, 2.0]), Close(0.0, own_value)
    near, far = actual * (1 + 1e-9), actual * (1 + 1e-6)
    for draws in ((near, far), (far, near)):
        line = limits(rule, actual, draws[0], actual * (1 + 0.9e-6 * MULTIPLE), others=draws[1:])
        assert line.ok and line.moved == pytest.approx(1e-6, rel=1e-3)


def test_what_moves_within_the_floor_raises_the_floor_alone():
    actual, rule = np.array([1.0, 1e-20]), Close(0.0, own_value, floor=1e-12)
    moved = actual + [0, 0.5e-12]
    assert limits(rule, actual, moved, actual + [0, 7e-12]).ok
    assert not limits(rule, actual, moved, actual + [0, 9e-12]).ok
    assert not limits(rule, actual, moved, actual + [1e-11, 0]).ok
    assert limits(rule, actual, moved, actual).moved == 0


@pytest.mark.parametrize(
    ('x64', 'double', 'unit'),
    [(False, False, 2.0**-23), (False, True, 2.0**-23), (True, True, 2.0**-52), (True, False, None)],
)
def test_double_precision_does_not_set_the_limits_of_values_in_float32(x64, double, unit):
    assert Method(x64, conditioning=True).unit(double) == unit
    assert Method(x64).unit(double) is None


def test_products_in_a_coarser_format_move_weights_by_its_unit():
    assert Method(precision='bfloat16', conditioning=True).unit(double=True) == 2.0**-7


def test_a_value_that_does_not_move_may_differ_by_some_units():
    actual, unit = np.array([1.0]), 2.0**-23
    assert limits(Close(0.0), actual, actual, actual + 0.9 * FEWEST_UNITS * unit, unit).ok
    assert not limits(Close(0.0), actual, actual, actual + 1.1 * FEWEST_UNITS * unit, unit).ok


def test_a_choice_may_differ_only_where_the_own_choice_moves():
    actual = np.arange(100)
    assert not limits(Identical(), actual, actual, np.where(actual == 5, -1, actual), 1.0).ok
    assert limits(Identical(), actual, np.where(actual == 5, -1, actual), np.where(actual == 7, -1, actual)).ok
