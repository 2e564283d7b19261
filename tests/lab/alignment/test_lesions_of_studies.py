"""Masks go the way of the film they belong to."""

import io
from functools import partial

import numpy as np
import pytest
from PIL import Image

from camanet_jax.data.examples import to_example
from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.data.transforms import eval_image
from camanet_jax.lab.alignment.lesions import ANY, Box, find_lesions, patch_shares

WIDE, TALL = (120, 90), (70, 100)  # width, height
SIDE = 4
TRANSFORMS = {
    name: partial(eval_image, eval_transform=name, image_size=64, resize_size=72) for name in ('paper', 'official')
}
TOKENIZER = Tokenizer(('.', '<unk>'), 'iu_xray')


def png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, 'PNG')
    return buffer.getvalue()


def square(size: tuple[int, int], left: int, top: int, side: int = 20) -> np.ndarray:
    """White on black."""
    picture = np.zeros(size[::-1], np.uint8)
    picture[top : top + side, left : left + side] = 255
    return picture


def record(films: list[np.ndarray], masks: list[tuple[str, int, np.ndarray]]) -> dict:
    """As `Records` gives it: films by view, masks as (observation, view, picture)."""
    return {
        'id': 'one',
        'report': 'Clear.',
        'labels': np.zeros(14, np.int8),
        'images': [png(film) for film in films],
        'image_paths': ['frontal.png', 'lateral.png'][: len(films)],
        'masks': {
            'observation': np.array([OBSERVATIONS.index(name) for name, _, _ in masks]),
            'view': np.array([view for _, view, _ in masks]),
            'mask': [png(mask) for _, _, mask in masks],
        },
    }


def found(study: dict, transform, boxes=None) -> dict[str, np.ndarray]:
    """The lesions' shares by name."""
    return {lesion.name: lesion.share for lesion in find_lesions('test', [study], transform, SIDE, boxes)}


@pytest.mark.parametrize('name', TRANSFORMS)
@pytest.mark.parametrize('size', [WIDE, TALL])
def test_a_bright_square_and_its_mask_arrive_at_the_same_patches(name, size):
    """The film is the mask: what the model is shown of the one must be what is measured of the other."""
    lateral = square(TALL, 30, 50)
    study = record([square(size, 37, 21), lateral], [('Fracture', 0, square(size, 37, 21)), ('Fracture', 1, lateral)])
    films = to_example(study, TRANSFORMS[name], TOKENIZER, 8)['images']
    share = found(study, TRANSFORMS[name])['Fracture']
    means = films.reshape(2, SIDE, 16, SIDE, 16).mean((2, 4)) / 255
    np.testing.assert_allclose(share, means, atol=1e-6)
    assert 0.01 < share[0].mean() < 0.12 and share[0].max() > 0.4  # small, and in one place


def test_what_the_crop_cuts_away_is_no_lesion():
    edge = square(WIDE, 0, 30, side=12)
    assert found(record([edge], [('Fracture', 0, edge)]), TRANSFORMS['paper']) == {}
    assert found(record([edge], [('Fracture', 0, edge)]), TRANSFORMS['official']).keys() == {'Fracture', 'any'}


def test_masks_of_one_observation_are_one_lesion():
    first, second = square(WIDE, 30, 30), square(WIDE, 40, 30)
    masks = [('Support Devices', 0, first), ('Fracture', 0, second), ('Support Devices', 0, second)]
    shares = found(record([first], masks), TRANSFORMS['official'])
    assert shares.keys() == {'any', 'Fracture', 'Support Devices'}
    union = square(WIDE, 30, 30) | square(WIDE, 40, 30)
    expected = patch_shares(TRANSFORMS['official'](Image.fromarray(union)), SIDE)
    np.testing.assert_array_equal(shares['Support Devices'][0], expected)
    np.testing.assert_array_equal(shares['any'], shares['Support Devices'])
    assert shares['Fracture'].sum() < shares['any'].sum()


def test_views_that_the_model_is_not_given_do_not_count():
    mask = square(WIDE, 40, 30)
    assert found(record([mask], [('Fracture', 1, mask)]), TRANSFORMS['official']) == {}


def test_boxes_stand_for_masks():
    film = np.zeros((320, 320), np.uint8)
    study = record([film], []) | {'id': 'x'}
    boxes = {'x': [Box('Lung Lesion', 0, 0.25, 0.5, 0.5, 0.75)], 'y': [Box('Edema', 0, 0, 0, 1, 1)]}
    share = found(study, TRANSFORMS['official'], boxes)['Lung Lesion']
    np.testing.assert_allclose(share[0], np.eye(4)[2][:, None] * np.eye(4)[1], atol=0.07)  # antialiasing at its edges
    assert found(study, TRANSFORMS['official'], {}) == {}


def test_data_without_masks_need_boxes():
    study = record([square(WIDE, 3, 3)], [])
    del study['masks']
    with pytest.raises(ValueError, match='lesion masks, study one has none.*--boxes'):
        found(study, TRANSFORMS['paper'])


@pytest.mark.parametrize('side', [4, 7, 10])
def test_shares_are_exact_where_patches_cut_pixels(side):
    mask = np.zeros((64, 64), np.uint8)
    mask[10:30, 5:44] = 255

    def covered(start, stop):
        return np.diff(np.clip(np.linspace(0, 64, side + 1), start, stop)) / (64 / side)

    np.testing.assert_allclose(patch_shares(mask, side), np.outer(covered(10, 30), covered(5, 44)), atol=1e-6)


def test_any_is_no_observation():
    assert ANY not in range(len(OBSERVATIONS))
