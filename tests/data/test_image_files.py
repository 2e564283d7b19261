import io

import numpy as np
import pytest
from PIL import Image

from camanet_jax.data.image_files import DamagedImageError, open_grey


def encode(array, image_format='PNG', **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, image_format, **options)
    return buffer.getvalue()


def ramp(height=300, width=340):
    """Every pixel differs from its neighbours, so any geometric slip shows."""
    rows, columns = np.mgrid[:height, :width]
    return ((rows * 3 + columns * 5) % 251).astype(np.uint8)


def test_grey_stored_as_colour_is_unchanged():
    grey = ramp(20, 30)
    for image_format in ('PNG', 'BMP'):
        encoded = encode(np.stack([grey] * 3, -1), image_format)
        np.testing.assert_array_equal(open_grey(encoded, 'a'), grey)


@pytest.mark.parametrize('bits', [8, 12, 16])
def test_deep_images_are_scaled_and_not_clipped(bits):
    full = 2**bits - 1
    values = np.linspace(0, full, 64).astype(np.uint16).reshape(8, 8)
    image = open_grey(encode(values), 'a.png')
    assert image.mode == 'L'
    np.testing.assert_allclose(image, values * (255 / full), atol=0.5)


@pytest.mark.parametrize('image_format', ['PNG', 'JPEG'])
@pytest.mark.parametrize('kept', [0, 10, 0.5])
def test_damaged_image_is_named(image_format, kept):
    encoded = encode(ramp(), image_format)
    cut = encoded[: int(kept * len(encoded)) if kept < 1 else kept]
    with pytest.raises(DamagedImageError, match='films/x.png cannot be decoded'):
        open_grey(cut, 'films/x.png')


def test_overwritten_png_is_damaged():
    encoded = bytearray(encode(ramp()))
    encoded[len(encoded) // 2] ^= 255
    with pytest.raises(DamagedImageError):
        open_grey(bytes(encoded), 'x')
