"""Films as bytes of files."""

import io

import numpy as np
from PIL import Image


def film(side=(40, 36), suffix='PNG', seed=0):
    """A film of noise, height and width in pixels."""
    return encode(np.random.default_rng(seed).integers(0, 256, side, np.uint8), suffix)


def smooth_film(height, width):
    """A film that JPEG keeps well."""
    rows, columns = np.mgrid[0:height, 0:width]
    return encode((128 + 60 * np.sin(rows / 90) + 50 * np.cos(columns / 70)).astype(np.uint8), 'PNG')


def encode(pixels, suffix):
    """The bytes of an image file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, suffix)
    return file.getvalue()
