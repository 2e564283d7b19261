import numpy as np
import pytest
from PIL import Image

from camanet_jax.data import transforms
from camanet_jax.data.image_files import open_grey

AUGMENTS = ('paper', 'official_iu', 'official_mimic', 'none')


def ramp(height=300, width=340):
    """Every pixel differs from its neighbours, so any geometric slip shows."""
    rows, columns = np.mgrid[:height, :width]
    return ((rows * 3 + columns * 5) % 251).astype(np.uint8)


def train_image(image, seed, augment):
    rng = np.random.default_rng(seed)
    return transforms.train_image(image, rng, augment=augment, image_size=48, resize_size=64)


def test_evaluation_is_bit_identical_to_the_reference(shared_dir):
    reference = np.load(shared_dir / 'reference/transforms.npz')
    compared = 0
    for key in reference:
        name, _, eval_transform = key.partition('|')
        if not eval_transform:
            continue
        if name in reference:
            image = Image.fromarray(reference[name])
        else:
            image = open_grey((shared_dir / 'data' / name).read_bytes(), name)
        actual = transforms.eval_image(image, eval_transform, 224, 256)
        np.testing.assert_array_equal(actual, reference[key], err_msg=key)
        compared += 1
    assert compared == 16


@pytest.mark.parametrize('augment', AUGMENTS)
def test_augmentation_depends_on_its_generator_alone(augment):
    image = Image.fromarray(ramp())
    first = train_image(image, 1, augment)
    assert first.shape == (48, 48) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, train_image(image, 1, augment))
    varies = any(not np.array_equal(first, train_image(image, seed, augment)) for seed in (2, 3))
    assert varies == (augment != 'none')


@pytest.mark.parametrize('augment', AUGMENTS)
def test_a_mask_goes_the_way_of_its_film(augment):
    mask = np.zeros((300, 340), np.uint8)
    mask[120:220, 90:180] = 255
    film = np.where(mask, 230, ramp() // 4)  # brighter where the mask is
    for seed in range(5):
        lit = train_image(Image.fromarray(film.astype(np.uint8)), seed, augment) > 140
        masked = train_image(Image.fromarray(mask), seed, augment) > 127
        assert (lit & masked).sum() > 0.9 * (lit | masked).sum() > 0


def test_official_iu_flips_half_the_crops():
    image = Image.fromarray(np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1)))
    views = [train_image(image, seed, 'official_iu') for seed in range(200)]
    flipped = sum(int(view[0, 0]) > int(view[0, -1]) for view in views)
    assert 80 <= flipped <= 120


def test_official_mimic_varies_half_the_crops():
    image = Image.fromarray(np.full((64, 64), 200, np.uint8))
    untouched = sum((train_image(image, seed, 'official_mimic') == 200).all() for seed in range(99))
    # Magnified views of a flat image can look untouched too, so more than half do.
    assert 40 <= untouched <= 75


def test_scale_and_rotation_turn_about_the_centre():
    disc = np.zeros((101, 101), np.uint8)
    disc[40:61, 40:61] = 255
    image = Image.fromarray(disc)
    for factor in (0.8, 1.2):
        area = (np.asarray(transforms.scale(image, factor)) > 127).sum()
        assert area == pytest.approx((21 * factor) ** 2, rel=0.12)
    corner = np.zeros((101, 101), np.uint8)
    corner[45:56, 90:101] = 255  # to the right of the centre
    rotated = np.asarray(transforms.rotate(Image.fromarray(corner), 10.0)) > 127
    rows, columns = np.nonzero(rotated)
    assert rows.mean() < 50 - 5  # counter-clockwise moves it up
    for turned in (transforms.scale(image, 1.2), transforms.rotate(image, 7.0)):
        rows, columns = np.nonzero(np.asarray(turned) > 127)
        assert (rows.mean(), columns.mean()) == pytest.approx((50, 50), abs=0.3)


@pytest.mark.parametrize('size', [(180, 120), (120, 180)])
def test_the_original_size_restores_a_lost_aspect(size):
    original = Image.fromarray(ramp()).resize(size)
    squashed = original.resize((120, 120))
    sizes = dict(image_size=48, resize_size=64)
    expected = transforms.eval_image(original, 'paper', **sizes).astype(int)
    restored, lost = (transforms.eval_image(squashed, 'paper', original_size=each, **sizes) for each in (size, None))
    assert np.abs(restored - expected).mean() < 2 < 20 < np.abs(lost - expected).mean()
    official = [transforms.eval_image(squashed, 'official', original_size=each, **sizes) for each in (None, size)]
    np.testing.assert_array_equal(*official)  # goes to the square, whatever the aspect


@pytest.mark.parametrize('augment', ['paper', 'official_iu', 'official_mimic', 'none'])
def test_training_restores_a_lost_aspect_too(augment):
    disc = np.hypot(*(np.mgrid[:120, :120] - 59.5)) < 30
    squashed = Image.fromarray(np.uint8(255) * disc)  # of a film of 180 x 120, in which it is wide

    def shape(original_size):
        rng = np.random.default_rng(3)
        film = transforms.train_image(
            squashed, rng, augment=augment, image_size=60, resize_size=60, original_size=original_size
        )
        rows, columns = np.nonzero(film > 127)
        return np.ptp(columns) / np.ptp(rows)

    assert shape(None) == pytest.approx(1, abs=0.1) and shape((180, 120)) == pytest.approx(1.5, abs=0.15)


def test_bad_names_and_sizes_say_what_is_expected():
    image = Image.fromarray(ramp())
    with pytest.raises(ValueError, match="'paper' or 'official', got 'center'"):
        transforms.eval_image(image, 'center', 48, 64)
    with pytest.raises(ValueError, match='one of .*official_iu.*got .official.$'):
        train_image(image, 0, 'official')
    with pytest.raises(ValueError, match='got 64 and 48'):
        transforms.eval_image(image, 'paper', 64, 48)
