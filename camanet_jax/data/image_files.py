"""Image files to 8-bit grey films, with an error that names a damaged one."""

import io
import struct

import numpy as np
from PIL import Image

# What Pillow's decoders raise, by format, on bytes that are cut short or overwritten.
_DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error)


class DamagedImageError(ValueError):
    """An image file that cannot be decoded; the message names it."""


def open_grey(encoded: bytes, name: str) -> Image.Image:
    """Decodes an image file to 8-bit grey.

    Colour goes through PIL's 'L', which leaves grey stored as RGB unchanged. Images of more than
    8 bits are scaled to 8 (`to_eight_bits`).

    Raises:
        DamagedImageError: the bytes are no whole image; `name` is in the message.
    """
    try:
        image = Image.open(io.BytesIO(encoded))
        image.load()
        return to_eight_bits(image) if image.mode[0] in 'IF' else image.convert('L')
    except (*_DECODING_ERRORS, Image.DecompressionBombError) as error:
        raise DamagedImageError(f'image {name} cannot be decoded: {error}') from error


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Scales a deep grey image (modes I, I;16, F) linearly to 0..255.

    The full range is that of 8, 12 or 16 bits, the smallest that holds the brightest pixel:
    detectors of 12 bits often write 0..4095 into files of 16.
    """
    values = np.asarray(image, np.float64)
    brightest = values.max()
    if values.min() < 0 or brightest > 65535:
        raise ValueError(f'expected values 0 to 65535, got {values.min():g} to {brightest:g}')
    full = next(2**bits - 1 for bits in (8, 12, 16) if brightest <= 2**bits - 1)
    return Image.fromarray(np.rint(values * (255 / full)).astype(np.uint8))
