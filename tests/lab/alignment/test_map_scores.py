"""Measures with known answers, on maps of four patches."""

import numpy as np
import pytest

from camanet_jax.lab.alignment.summary import THRESHOLDS, at_others_best, energy, ious, pointing, score_maps

# Covers the first patch, half of the second, a quarter of the third and nothing of the last.
SHARES = np.array([[1, 0.5, 0.25, 0]])


def at(values: np.ndarray, threshold: float) -> float:
    """The IoU of the only map at a threshold."""
    return values[0, np.argmin(np.abs(THRESHOLDS - threshold))]


@pytest.mark.parametrize(
    'values, expected',
    [
        ([0.9, 0.1, 0.2, 0.3], 1),
        ([0.1, 0.9, 0.2, 0.3], 0.5),
        ([0.1, 0.2, 0.3, 0.9], 0),
        ([0.9, 0.9, 0.2, 0.9], 0.5),  # a tie of three: (1 + 0.5 + 0) / 3
        ([0, 0, 0, 0], 0.4375),
    ],
)
def test_pointing_is_the_share_of_the_strongest_patch(values, expected):
    assert pointing(np.array([values], float), SHARES) == pytest.approx(expected)


@pytest.mark.parametrize(
    'values, expected',
    [
        ([1, 0, 0, 0], 1),
        ([0, 0, 0, 5], 0),
        ([1, 2, 4, 1], 3 / 8),
        ([0, 0, 0, 0], 0.4375),
    ],
)
def test_energy_is_the_sum_inside_over_the_sum(values, expected):
    assert energy(np.array([values], float), SHARES) == pytest.approx(expected)


def test_iou_counts_partly_covered_patches_by_their_share():
    values = ious(np.array([[2.0, 6, 4, 0]]), SHARES)  # scaled: 1/3, 1, 2/3, 0
    assert at(values, 1) == pytest.approx(0.5 / (1 + 1.75 - 0.5))
    assert at(values, 0.65) == pytest.approx(0.75 / (2 + 1.75 - 0.75))
    assert at(values, 0.3) == pytest.approx(1.75 / 3)


def test_a_map_that_is_the_lesion_reaches_one():
    mask = np.array([[0.0, 1, 1, 0]])
    scores = score_maps(mask, mask, ['a'])
    assert scores.pointing == scores.energy == scores.iou == 1 and not scores.flat


@pytest.mark.parametrize('level', [0, 1e-3, 7])
def test_a_uniform_map_is_chance_by_every_measure(level):
    shares = np.random.default_rng(0).uniform(size=(5, 32)) ** 3
    scores = score_maps(np.full((5, 32), float(level)), shares, list('aabcd'))
    area = shares.mean(1)
    np.testing.assert_allclose(scores.area, area)
    for values in (scores.pointing, scores.energy, scores.iou):
        np.testing.assert_allclose(values, area)
    assert scores.flat.all()


def test_meaningless_maps_are_no_better_than_chance():
    """The IoU too, though its threshold is chosen; twelve lesions, as few as the boxes of ChestX-ray14's sample."""
    rng = np.random.default_rng(0)
    shares = np.tile(SHARES, (12, 4))
    names = [str(i) for i in range(12)]
    sets = [score_maps(rng.uniform(size=shares.shape), shares, names) for _ in range(400)]
    for name in ('pointing', 'energy'):
        assert np.mean([getattr(scores, name) for scores in sets]) == pytest.approx(0.4375, abs=0.01)
    assert 0.38 < np.mean([scores.iou for scores in sets]) < 0.4375


def test_the_scale_of_a_map_does_not_count():
    maps, shares = np.random.default_rng(0).uniform(size=(2, 6, 32))
    ours, larger = score_maps(maps, shares, list('abcdef')), score_maps(maps * 50, shares, list('abcdef'))
    for name in ('pointing', 'energy', 'iou', 'threshold'):
        np.testing.assert_allclose(getattr(ours, name), getattr(larger, name))


def test_the_threshold_is_chosen_on_other_studies():
    every = np.array([[0.8, 0.6, 0.1], [0.1, 0.4, 0.8], [0.2, 0.3, 0.7], [0.3, 0.6, 0.5]])
    np.testing.assert_array_equal(at_others_best(every, list('abcd')), [0.1, 0.4, 0.3, 0.5])
    np.testing.assert_array_equal(at_others_best(every, list('aabb')), [0.1, 0.8, 0.3, 0.6])
    np.testing.assert_array_equal(at_others_best(every, list('aaaa')), every[:, 2])
