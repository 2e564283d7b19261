"""Image files to 8-bit grey films, with an error that names a damaged one.

Training and `--mode=generate` both read films here: PNG, JPEG, TIFF and the others of `FORMATS`, and DICOM (dicom.py).
"""

import contextlib
import errno
import io
import math
import threading
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps, PngImagePlugin, UnidentifiedImageError

# The formats of films alone: some of Pillow's others call outside programs or unpack without bounds.
FORMATS = ('PNG', 'JPEG', 'TIFF', 'JPEG2000', 'BMP', 'GIF', 'WEBP', 'PPM')
DICOM_SUFFIXES = ('.dcm', '.dicom', '.dic', '.ima')
SUFFIXES = ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.jp2', '.bmp', '.gif', '.webp', '.pgm', '.ppm', *DICOM_SUFFIXES)

MAX_PIXELS = 2**29  # 23,000 x 23,000; larger images are refused. Decoding takes up to 5 bytes a pixel.
LARGE_PIXELS = 2**26  # 8,000 x 8,000, more than detectors have; larger ones are decoded one at a time, and reduced.
OVERSHOOT = 0.05  # beyond 0 and 1, where resampling may take shares of white
FEWEST_LEVELS = 16  # floating-point values below would be almost black among 0..255
MAX_ASPECT = 100  # a narrower strip would become endless when its short side is resized to some 256 pixels

warnings.filterwarnings('ignore', module='PIL')  # of small faults, in files that are read
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow's own limit refuses large films
PngImagePlugin.MAX_TEXT_CHUNK = 2**26  # bytes; Pillow's own limit refuses colour profiles and texts of a megabyte

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_one_large_film = threading.Lock()
_DICOM_MARK, _DICOM_MARK_END = b'DICM', 132


class DamagedImageError(ValueError):
    """An image file that cannot be decoded; the message names it."""


def open_grey(encoded: bytes, name: str) -> Image.Image:
    """Decodes an image file, the first of several pages, to 8-bit grey (`as_grey`), turned as its EXIF data say.

    Raises:
      DamagedImageError: the bytes are not a whole image; `name` is in the message.
    """
    return _decode(io.BytesIO(encoded), name)


def read_grey(path: Path, name: str) -> Image.Image:
    """Decodes as `open_grey` does, without reading the whole file into memory."""
    try:
        with path.open('rb') as file:
            return _decode(file, name)
    except OSError as error:
        _raise_shortage(error)
        raise DamagedImageError(f'image {name} cannot be read: {error.strerror or error}') from error


def not_blank(film: Image.Image, name: str) -> Image.Image:
    """The film itself, of which a report can be written; raises DamagedImageError where all its pixels are equal."""
    low, high = film.getextrema()
    if low == high:
        raise DamagedImageError(f'image {name} is blank: all its pixels are {low} of 255; export the film again')
    return film


def is_dicom(file: BinaryIO) -> bool:
    """Tells whether the file has DICOM's magic bytes; rewinds it to the start."""
    head = file.read(_DICOM_MARK_END)
    file.seek(0)
    return head.endswith(_DICOM_MARK) and len(head) == _DICOM_MARK_END


def _decode(file: BinaryIO, name: str) -> Image.Image:
    try:
        return _decode_dicom(file) if is_dicom(file) else _decode_image(file)
    except UnidentifiedImageError as error:
        if Path(name).suffix.lower() in DICOM_SUFFIXES:  # files older than the mark
            return _decode_named_dicom(file, name)
        raise DamagedImageError(f'image {name} cannot be decoded: {_why_unknown(file)}') from error
    # Decoders that read nonsense as numbers raise anything: IndexError, KeyError, struct.error, ...
    except Exception as error:
        _raise_shortage(error)
        raise DamagedImageError(f'image {name} cannot be decoded: {error or type(error).__name__}') from error


def _raise_shortage(error: Exception) -> None:
    """Raises what is the machine's fault: too many open files or processes, no memory to start one."""
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN):
        raise error


def _decode_named_dicom(file: BinaryIO, name: str) -> Image.Image:
    file.seek(0)
    try:
        return _decode_dicom(file)
    except Exception as error:
        raise DamagedImageError(f'image {name} cannot be decoded: {error}') from error


def decode_dicom(content: bytes) -> Image.Image:
    """Decodes a DICOM file in this process; raises ValueError where it cannot."""
    from camanet_jax.data import dicom  # most runs read none

    file = io.BytesIO(content)
    with _room_for(*dicom.read_size(file)):
        return _smaller(dicom.read_film(file))


def _decode_dicom(file: BinaryIO) -> Image.Image:
    from camanet_jax.data import dicom, film_decoder

    syntax = dicom.transfer_syntax(file)
    if syntax in dicom.PLAIN:
        return decode_dicom(file.read())
    # The size of one that is deflated as a whole is not known before.
    room = _one_large_film if syntax == dicom.DEFLATED else _room_for(*dicom.read_size(file))
    with room:
        return film_decoder.decode(file.read())


def _decode_image(file: BinaryIO) -> Image.Image:
    with Image.open(file, formats=FORMATS) as image, _room_for(*image.size):
        if factor := _reduction(image.size):
            image.draft('L', (image.width // factor, image.height // factor))  # JPEG alone can skip work
        image.load()
        return _smaller(upright(as_grey(image), image))


def _why_unknown(file: BinaryIO) -> str:
    file.seek(0)
    return 'it is in none of the formats DICOM, ' + ', '.join(FORMATS) if file.read(1) else 'it is empty'


# --- Size ---


def _room_for(width: int, height: int) -> contextlib.AbstractContextManager:
    """The lock to hold while an image is decoded, so that memory is bounded; refuses sizes that no film has."""
    if width * height > MAX_PIXELS:
        raise ValueError(f'expected at most {MAX_PIXELS:,} pixels, got {width:,} x {height:,}')
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(f'expected sides within {MAX_ASPECT} to 1, got {width:,} x {height:,} pixels')
    return _one_large_film if _reduction((width, height)) else contextlib.nullcontext()


def _reduction(size: tuple[int, int]) -> int:
    """The factor by which each side of a large film is reduced; 0 for others, which stay as they are."""
    pixels = size[0] * size[1]
    return math.ceil(math.sqrt(pixels / LARGE_PIXELS)) if pixels > LARGE_PIXELS else 0


def _smaller(film: Image.Image) -> Image.Image:
    factor = _reduction(film.size)
    return film.reduce(factor) if factor else film


# --- Grey levels and orientation ---


def as_grey(image: Image.Image) -> Image.Image:
    """Converts a loaded image of any mode to 8-bit grey.

    Colour goes through PIL's 'L', which leaves grey stored as RGB unchanged; transparency becomes black; deep images
    are scaled (`to_eight_bits`).
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
    """Tells whether this is a deep TIFF in which 0 is white; Pillow inverts only those of 8 bits."""
    return image.format == 'TIFF' and image.tag_v2.get(ExifTags.Base.PhotometricInterpretation) == 0


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Scales a deep grey image (modes I, I;16, F) linearly to 0..255.

    The full range is that of 8 to 16 bits, the fewest that hold the brightest pixel: detectors of 12 bits often write
    0..4095 into files of 16. Floating-point values of 0 to 1, or a little beyond, are shares of white; others that are
    too few for grey levels are refused.
    """
    values = np.asarray(image)
    lowest, brightest = values.min(), values.max()
    shares = image.mode == 'F' and lowest >= -OVERSHOOT and brightest <= 1 + OVERSHOOT
    if not shares and not (lowest >= 0 and brightest <= 65535):
        raise ValueError(f'expected values 0 to 65535, got {lowest:g} to {brightest:g}')
    if not shares and image.mode == 'F' and brightest < FEWEST_LEVELS:
        raise ValueError(f'expected values 0 to 1, or to 255 and more, got {lowest:g} to {brightest:g}; scale them')
    full = 1 if shares else 2 ** max(8, math.ceil(brightest).bit_length()) - 1
    scaled = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), 256):  # by rows, since the float64 values take eight bytes a pixel
        rows = slice(start, start + 256)
        scaled[rows] = np.rint(values[rows].astype(np.float64).clip(0, full) * (255 / full))
    return Image.fromarray(scaled)


def upright(film: Image.Image, source: Image.Image) -> Image.Image:
    """The film turned as the EXIF data of `source` say; unturned where these are damaged."""
    try:
        orientation = source.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Pillow raises many kinds
        return film
    turn = _TURNS.get(orientation)
    return film if turn is None else film.transpose(turn)
