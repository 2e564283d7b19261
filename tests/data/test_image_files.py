import io

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from camanet_jax.data import image_files
from camanet_jax.data.image_files import DamagedImageError, open_grey, read_grey


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


@pytest.mark.parametrize('bits', range(8, 17))
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


# --- Formats ---


def saved(image, image_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ('mode', 'image_format', 'options'),
    [
        ('L', 'TIFF', {'compression': 'tiff_lzw'}),
        ('RGB', 'WEBP', {'lossless': True}),
        ('L', 'JPEG2000', {}),
        ('RGBA', 'PNG', {}),
        ('LA', 'PNG', {}),
        ('P', 'PNG', {}),
        ('P', 'GIF', {}),
        ('CMYK', 'TIFF', {}),
        ('CMYK', 'JPEG', {'quality': 100}),
        ('YCbCr', 'TIFF', {}),
    ],
)
def test_every_mode_and_format_gives_the_same_grey(mode, image_format, options):
    grey = ramp(40, 60)
    found = open_grey(saved(Image.fromarray(grey).convert(mode), image_format, **options), 'a')
    lossy = mode == 'YCbCr' or image_format == 'JPEG'
    np.testing.assert_allclose(np.asarray(found, int), grey, rtol=0, atol=int(lossy))


def test_what_is_transparent_is_black():
    bright = Image.new('RGBA', (4, 4), (200, 200, 200, 255))
    bright.putpixel((1, 2), (200, 200, 200, 0))
    found = np.asarray(open_grey(saved(bright, 'PNG'), 'a'))
    assert found[2, 1] == 0 and (found == 200).sum() == 15


def test_a_transparent_value_of_a_grey_film_stays():
    encoded = saved(Image.fromarray(ramp()), 'PNG', transparency=7)
    np.testing.assert_array_equal(open_grey(encoded, 'a'), ramp())


@pytest.mark.parametrize('orientation', range(1, 9))
def test_films_are_turned_as_their_exif_data_say(orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    encoded = saved(Image.fromarray(ramp()), 'PNG', exif=exif)
    np.testing.assert_array_equal(open_grey(encoded, 'a'), ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))))


@pytest.mark.parametrize('full', [4095, 65535])
def test_deep_tiffs_in_which_white_is_low_are_inverted(full):
    values = np.linspace(0, full, 64).astype(np.uint16).reshape(8, 8)
    film = open_grey(saved(Image.fromarray(values), 'TIFF', tiffinfo={262: 0}), 'a')
    np.testing.assert_allclose(film, 255 - values * (255 / full), atol=0.501)


def test_shares_of_white_are_read():
    values = ramp(40, 60)
    np.testing.assert_array_equal(open_grey(saved(Image.fromarray(np.float32(values / 255)), 'TIFF'), 'a'), values)
    beyond = np.float32(values / 255 * 1.002 - 0.001)
    np.testing.assert_allclose(open_grey(saved(Image.fromarray(beyond), 'TIFF'), 'a'), values, atol=1)
    with pytest.raises(DamagedImageError, match='expected values 0 to 1, or to 255 and more, got 0 to 2; scale them'):
        open_grey(saved(Image.fromarray(np.float32(values / values.max() * 2)), 'TIFF'), 'a')


# --- Sizes ---


@pytest.mark.parametrize('size', [(1, 1), (1, 90), (3, 2)])
def test_the_smallest_images_are_films(size):
    assert open_grey(saved(Image.new('L', size, 5), 'PNG'), 'a').size == size


@pytest.mark.parametrize('image_format', ['PNG', 'JPEG', 'TIFF'])
def test_large_films_are_made_smaller_one_at_a_time(monkeypatch, image_format):
    monkeypatch.setattr(image_files, 'LARGE_PIXELS', 10_000)
    smooth = np.add.outer(np.arange(160), np.arange(300)).astype(np.uint16).clip(0, 255).astype(np.uint8)
    film = open_grey(encode(smooth, image_format), 'a')
    assert film.width * film.height <= 10_000 and abs(film.width / film.height - 300 / 160) < 0.05
    whole = np.asarray(Image.fromarray(smooth).resize(film.size, Image.Resampling.BOX), int)
    assert np.abs(np.asarray(film, int) - whole).max() <= 4
    assert not image_files._one_large_film.locked()


def test_what_is_too_large_or_no_film_is_refused(monkeypatch):
    with pytest.raises(DamagedImageError, match='within 100 to 1, got 20,000 x 1 pixels'):
        open_grey(saved(Image.new('L', (20_000, 1)), 'PNG'), 'a')
    monkeypatch.setattr(image_files, 'MAX_PIXELS', 1000)
    with pytest.raises(DamagedImageError, match='at most 1,000 pixels, got 40 x 30'):
        open_grey(saved(Image.new('L', (40, 30)), 'PNG'), 'a')


# --- Files ---


def test_files_are_read_as_bytes_are(tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(encode(ramp()))
    np.testing.assert_array_equal(read_grey(path, 'a'), ramp())
    with pytest.raises(DamagedImageError, match='image b cannot be read: No such file'):
        read_grey(tmp_path / 'gone.png', 'b')
    with pytest.raises(DamagedImageError, match='image b cannot be read: Is a directory'):
        read_grey(tmp_path, 'b')


@pytest.mark.parametrize(
    ('encoded', 'words'),
    [
        (b'', 'it is empty'),
        (b'Dear colleague', 'none of the formats DICOM, PNG'),
        (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', 'none of the formats'),
    ],
)
def test_what_is_no_image_is_told(encoded, words):
    with pytest.raises(DamagedImageError, match=f'letter.png cannot be decoded: .*{words}'):
        open_grey(encoded, 'letter.png')
