"""Heat maps lie where they should, in colours that mean the same everywhere."""

import numpy as np
import pytest

from camanet_jax.reporting.overlays import Scale, attention_scale, colour_bar, overlay, upsample


def colourfulness(pixels):
    return np.ptp(pixels.astype(int), axis=-1)


@pytest.mark.parametrize(('row', 'column'), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_heat_lies_in_its_quadrant(row, column):
    heat = np.zeros((2, 2))
    heat[row, column] = 1
    shown = colourfulness(overlay(np.full((64, 96), 90, np.uint8), heat, Scale()))
    means = shown.reshape(2, 32, 2, 48).mean((1, 3))
    assert np.unravel_index(means.argmax(), (2, 2)) == (row, column)
    # Bilinear: the corner cell fades out to half way into its neighbours and leaves the opposite corner alone.
    assert shown[::-1, ::-1][row * 63, column * 95] == 0


def test_no_heat_leaves_the_film_as_it_is():
    film = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(overlay(film, np.zeros((7, 7)), Scale()), np.repeat(film[..., None], 3, -1))


def test_upsampling_keeps_constants_centres_and_range():
    heat = np.random.default_rng(0).random((7, 7))
    large = upsample(heat, 7 * 9, 7 * 9)
    np.testing.assert_allclose(large[4::9, 4::9], heat, atol=1e-6)
    assert heat.min() - 1e-6 <= large.min() and large.max() <= heat.max() + 1e-6
    np.testing.assert_allclose(upsample(np.full((2, 2), 0.3), 64, 48), 0.3, atol=1e-6)


def test_scale_clips():
    np.testing.assert_allclose(Scale(1, 3).strength(np.array([0, 1, 2, 3, 9])), [0, 0, 0.5, 1, 1])


def test_attention_scale_starts_at_uniform_and_is_not_set_by_one_peak():
    flat = np.full((10, 2, 7, 7), 1 / 98)
    assert attention_scale(flat) == Scale(1 / 98, 2 / 98)
    peaked = flat.copy()
    peaked[:, 0, 3, 3] = 5 / 98
    peaked[0, 0, 3, 3] = 90 / 98
    assert attention_scale(peaked).high < 15 / 98
    assert attention_scale(flat[:0]).strength(np.zeros(1)) == 0


def test_colour_bar_runs_from_grey_to_colour():
    bar = colour_bar(12, 150)
    assert bar.shape == (12, 150, 3)
    assert colourfulness(bar)[0, 0] == 0 and colourfulness(bar)[0, -1] > 100
