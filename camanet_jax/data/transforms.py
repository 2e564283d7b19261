"""Films resized and cropped to the model's size, and augmented in training.

Every transform is a pure function of a PIL image (and a NumPy generator), so that a mask of the film's size is
transformed alike by the same function (with a generator of the same seed). Sizes are in pixels; arrays are uint8
[height, width], one grey channel.
"""

import numpy as np
from jaxtyping import UInt8
from PIL import Image

Rng = np.random.Generator
Size = tuple[int, int]  # width, height

# The official ranges; the paper names the operations without them.
_MAX_ROTATION_DEGREES = 10.0
_SCALE_RANGE = (0.8, 1.2)


# --- Geometry ---


def resize_short_side(image: Image.Image, size: int, original_size: Size | None = None) -> Image.Image:
    """Resizes with antialiasing to a short side of `size`, keeping the aspect or restoring that of the original."""
    width, height = original_size or image.size
    short, long = sorted((width, height))
    long = int(size * long / short)
    return image.resize((size, long) if width <= height else (long, size), Image.Resampling.BILINEAR)


def crop_centre(image: Image.Image, size: int) -> Image.Image:
    """Cuts the middle square of `size`."""
    width, height = image.size
    return _crop(image, int(round((width - size) / 2)), int(round((height - size) / 2)), size)


def crop_random(image: Image.Image, rng: Rng, size: int) -> Image.Image:
    """Cuts a square of `size` at a uniformly drawn position."""
    width, height = image.size
    left = int(rng.integers(width - size + 1))
    return _crop(image, left, int(rng.integers(height - size + 1)), size)


def rotate(image: Image.Image, degrees: float) -> Image.Image:
    """Rotates counter-clockwise about the centre; the corners become black."""
    return image.rotate(degrees, Image.Resampling.BICUBIC)


def scale(image: Image.Image, factor: float) -> Image.Image:
    """Magnifies (factor > 1) or shrinks about the centre, keeping the image's size."""
    width, height = image.size
    shift = (1 - 1 / factor) / 2
    inverse = (1 / factor, 0, shift * width, 0, 1 / factor, shift * height)
    return image.transform(image.size, Image.Transform.AFFINE, inverse, Image.Resampling.BICUBIC)


def _crop(image: Image.Image, left: int, top: int, size: int) -> Image.Image:
    return image.crop((left, top, left + size, top + size))


# --- Evaluation ---

EVAL_TRANSFORMS = ('paper', 'official')


def eval_image(
    image: Image.Image, eval_transform: str, image_size: int, resize_size: int, original_size: Size | None = None
) -> UInt8[np.ndarray, 'height width']:
    """Brings an image to `image_size` without randomness.

    Args:
        image: A grey image, or a mask of the same size as one.
        eval_transform: 'paper' (short side to `resize_size`, then the middle square) or
            'official' (straight to the square, whatever the aspect).
        image_size: Height and width of the result.
        resize_size: Short side before the crop.
        original_size: The size of a film that was stored with another aspect, which 'paper' restores.
    """
    check_sizes(image_size, resize_size)
    if eval_transform == 'paper':
        return np.asarray(crop_centre(resize_short_side(image, resize_size, original_size), image_size))
    if eval_transform == 'official':
        return np.asarray(image.resize((image_size, image_size), Image.Resampling.BILINEAR))
    raise ValueError(f"eval_transform must be 'paper' or 'official', got {eval_transform!r}")


# --- Training ---


def train_image(
    image: Image.Image, rng: Rng, *, augment: str, image_size: int, resize_size: int, original_size: Size | None = None
) -> UInt8[np.ndarray, 'height width']:
    """Resizes the short side to `resize_size`, cuts a square of `image_size`, then augments it.

    Args:
        image: A grey image, or a mask of the same size as one.
        rng: The source of all randomness.
        augment: 'paper' (rotation or scaling), 'official_iu' (a horizontal flip of half the views), 'official_mimic'
            (rotation and scaling of half the views), each after a random crop; or 'none' (the middle square).
        image_size: Height and width of the result.
        resize_size: Short side before the crop.
        original_size: The size of a film that was stored with another aspect, which is restored.
    """
    check_sizes(image_size, resize_size)
    if augment not in AUGMENTATIONS:
        raise ValueError(f'train_augment must be one of {list(AUGMENTATIONS)}, got {augment!r}')
    resized = resize_short_side(image, resize_size, original_size)
    return np.asarray(AUGMENTATIONS[augment](resized, rng, image_size))


def _augment_as_paper(image: Image.Image, rng: Rng, size: int) -> Image.Image:
    image = crop_random(image, rng, size)
    operation = _rotate_randomly if rng.random() < 0.5 else _scale_randomly
    return operation(image, rng)


def _augment_as_official_iu(image: Image.Image, rng: Rng, size: int) -> Image.Image:
    image = crop_random(image, rng, size)
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else image


def _augment_as_official_mimic(image: Image.Image, rng: Rng, size: int) -> Image.Image:
    image = crop_random(image, rng, size)
    if rng.random() < 0.5:
        image = _scale_randomly(_rotate_randomly(image, rng), rng)
    return image


def _augment_not(image: Image.Image, rng: Rng, size: int) -> Image.Image:
    del rng
    return crop_centre(image, size)


def _rotate_randomly(image: Image.Image, rng: Rng) -> Image.Image:
    return rotate(image, rng.uniform(-_MAX_ROTATION_DEGREES, _MAX_ROTATION_DEGREES))


def _scale_randomly(image: Image.Image, rng: Rng) -> Image.Image:
    return scale(image, rng.uniform(*_SCALE_RANGE))


AUGMENTATIONS = {
    'paper': _augment_as_paper,
    'official_iu': _augment_as_official_iu,
    'official_mimic': _augment_as_official_mimic,
    'none': _augment_not,
}


def check_sizes(image_size: int, resize_size: int) -> None:
    """Raises ValueError where no crop of `image_size` fits."""
    if not 0 < image_size <= resize_size:
        raise ValueError(f'expected 0 < image_size <= resize_size, got {image_size} and {resize_size}')
