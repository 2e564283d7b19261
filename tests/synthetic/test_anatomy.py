import dataclasses

import numpy as np
import pytest

from camanet_jax.synthetic.anatomy import sample_anatomy
from camanet_jax.synthetic.film import develop, pose_view
from camanet_jax.synthetic.frontal import draw_frontal
from camanet_jax.synthetic.lateral import draw_lateral

DRAW = {'frontal': draw_frontal, 'lateral': draw_lateral}


@pytest.fixture
def anatomy():
    return sample_anatomy(np.random.default_rng(3))


def _draw(name, anatomy, size=96):
    return DRAW[name](anatomy, pose_view(name, size, np.random.default_rng(5)))


def _develop(film):
    return develop(film.attenuation, np.random.default_rng(7)).astype(float)


@pytest.mark.parametrize('name', DRAW)
@pytest.mark.parametrize('size', [64, 129])
def test_film_has_the_asked_size_and_uses_its_grey_levels(name, size, anatomy):
    picture = _develop(_draw(name, anatomy, size))
    assert picture.shape == (size, size)
    assert picture.std() > 40


@pytest.mark.parametrize('name', DRAW)
def test_lungs_are_darker_than_heart_and_brighter_than_air_outside(name, anatomy):
    film = _draw(name, anatomy)
    picture = _develop(film)
    heart = film.regions['heart'] > 0.9
    lung = (film.regions['left lung'] > 0.9) & (film.regions['heart'] < 0.05)
    corner = picture[:3, :3].mean()
    assert corner < picture[lung].mean() < picture[heart].mean() - 25


def test_right_lung_lies_on_the_left_of_the_frontal_film(anatomy):
    film = _draw('frontal', anatomy)
    columns = {side: np.argwhere(film.regions[f'{side} lung'] > 0.5)[:, 1] for side in ('right', 'left')}
    assert columns['right'].max() < columns['left'].min()


@pytest.mark.parametrize('name', DRAW)
def test_heart_size_widens_the_heart(name, anatomy):
    large = dataclasses.replace(anatomy, heart_size=1.4 * anatomy.heart_size)
    areas = [(_draw(name, one).regions['heart'] > 0.5).sum() for one in (anatomy, large)]
    assert areas[1] > 1.4 * areas[0]


def test_both_views_share_the_level_of_the_diaphragm(anatomy):
    lowest = []
    for name in DRAW:
        film = _draw(name, dataclasses.replace(anatomy, dome=0.0))
        lowest.append(film.view.v[film.regions['right lung'] > 0.5].max())
    assert lowest[0] == pytest.approx(lowest[1], abs=0.05)


def test_same_generators_give_the_same_film_and_patients_differ(anatomy):
    other = sample_anatomy(np.random.default_rng(4))
    first, again, second = (_draw('frontal', one).attenuation for one in (anatomy, anatomy, other))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - second).mean() > 0.02


def test_view_maps_patient_coordinates_to_its_own_pixels():
    view = pose_view('frontal', 64, np.random.default_rng(0))
    pixel = view.to_pixels(np.array([[view.u[20, 41], view.v[20, 41]]]))
    np.testing.assert_allclose(pixel, [[41.5, 20.5]], atol=1e-3)
