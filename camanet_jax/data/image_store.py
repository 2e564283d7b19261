"""The forms in which records keep films: the files themselves, or small JPEGs that training decodes quickly."""

import io
import logging

from camanet_jax.data.image_files import DamagedImageError, not_blank, open_grey
from camanet_jax.data.transforms import resize_short_side

LOG = logging.getLogger(__name__)

STORES = ('original', '256')
SHORT_SIDE = 256  # pixels, of store '256'
_JPEG_QUALITY = 95


def check_store(store: str) -> str:
    """Returns the name if it is one of `STORES`, else raises ValueError."""
    if store not in STORES:
        raise ValueError(f'expected store as one of {STORES}, got {store!r}')
    return store


def stored_bytes(encoded: bytes, name: str, store: str) -> bytes:
    """The bytes to keep of an image file; `name` is for messages.

    Store '256' is the film in 8-bit grey, resized to a short side of 256 pixels as in training, as a JPEG of quality
    95. A film that is no larger stays as it is.

    Raises:
      DamagedImageError: the film cannot be decoded.
    """
    film = open_grey(encoded, name)  # originals too: damage should be found now, not in the middle of training
    try:
        not_blank(film, name)
    except DamagedImageError as error:
        LOG.warning('%s (it is kept)', error)
    if store == 'original' or min(film.size) <= SHORT_SIDE:
        return encoded
    small = io.BytesIO()
    resize_short_side(film, SHORT_SIDE).save(small, 'JPEG', quality=_JPEG_QUALITY)
    return small.getvalue()


def why_originals(store: str, eval_transform: str, resize_size: int) -> str | None:
    """The reason why a run would need the original films; None where the stored ones do."""
    if store == 'original':
        return None
    if eval_transform == 'official':
        return (
            f"eval_transform='official' resizes whole films to the square, and these were already resized to "
            f'{SHORT_SIDE} pixels'
        )
    if resize_size != SHORT_SIDE:
        return f'resize_size is {resize_size}, and these films have {SHORT_SIDE} pixels on the short side'
    return None
