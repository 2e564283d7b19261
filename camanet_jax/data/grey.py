"""Decoded images of any kind to 8-bit grey, 0 black, and upright."""

import numpy as np
from PIL import ExifTags, Image, ImageOps

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def as_grey(image: Image.Image) -> Image.Image:
    """Grey of a loaded image of any mode.

    Colour goes through PIL's 'L', which leaves grey stored as RGB unchanged; what is transparent becomes black.
    """
    if image.mode[0] in 'IF':
        film = to_eight_bits(image)
        return ImageOps.invert(film) if _white_is_low(image) else film
    if image.mode == 'LAB':
        return image.getchannel('L')
    if image.has_transparency_data and image.mode not in ('L', 'RGB'):
        image = image.convert('RGBA')
        return Image.composite(image.convert('L'), Image.new('L', image.size), image.getchannel('A'))
    return image.convert('L')


def _white_is_low(image: Image.Image) -> bool:
    """Whether this is a deep TIFF in which 0 is white; Pillow turns those of 8 bits alone."""
    return image.format == 'TIFF' and image.tag_v2.get(ExifTags.Base.PhotometricInterpretation) == 0


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Scales a deep grey image (modes I, I;16, F) linearly to 0..255.

    The full range is that of 8, 12 or 16 bits, the smallest that holds the brightest pixel: detectors of 12 bits often
    write 0..4095 into files of 16. Numbers with a fraction, none above 1, are shares of white.
    """
    values = np.asarray(image)
    lowest, brightest = values.min(), values.max()
    if not (lowest >= 0 and brightest <= 65535):
        raise ValueError(f'expected values 0 to 65535, got {lowest:g} to {brightest:g}')
    full = next(2**bits - 1 for bits in (8, 12, 16) if brightest <= 2**bits - 1)
    if image.mode == 'F' and brightest <= 1:
        full = 1
    scaled = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), 256):  # by rows: the numbers between take eight bytes a pixel
        rows = slice(start, start + 256)
        scaled[rows] = np.rint(values[rows].astype(np.float64) * (255 / full))
    return Image.fromarray(scaled)


def upright(film: Image.Image, source: Image.Image) -> Image.Image:
    """Turned as the EXIF data of its file say; where these are damaged, as it is stored."""
    try:
        orientation = source.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Pillow raises many kinds
        return film
    turn = _TURNS.get(orientation)
    return film if turn is None else film.transpose(turn)
