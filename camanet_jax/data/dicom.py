"""DICOM files to 8-bit grey films as a viewer shows them, without any other content.

Only the elements named in `_PIXELS` are read from a file: the patient's identity never enters memory, and so no log,
no message and no output. Messages of pydicom are not passed on, since they may quote values.
"""

import io
import logging
import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydicom
from jaxtyping import Bool, Float, Integer, UInt8
from PIL import Image
from pydicom import pixels
from pydicom.encaps import generate_frames
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSNearLossless,
)

# Files with small faults are common; they are read without a warning.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger('pydicom').setLevel(logging.ERROR)
warnings.filterwarnings('ignore', module='pydicom')

_PIXELS = [
    *'Rows Columns SOPClassUID NumberOfFrames SamplesPerPixel PhotometricInterpretation PlanarConfiguration'.split(),
    *'BitsAllocated BitsStored HighBit PixelRepresentation PixelData ExtendedOffsetTable'.split(),
    *'ExtendedOffsetTableLengths PixelPaddingValue PixelPaddingRangeLimit ModalityLUTSequence RescaleSlope'.split(),
    *'RescaleIntercept VOILUTSequence WindowCenter WindowWidth VOILUTFunction'.split(),
    *(f'{colour}PaletteColorLookupTableDescriptor' for colour in ('Red', 'Green', 'Blue')),
    *(f'{colour}PaletteColorLookupTableData' for colour in ('Red', 'Green', 'Blue')),
]
IDENTIFIERS = ('StudyInstanceUID', 'SOPInstanceUID')
_LATERAL = ('LL', 'RL', 'LAT', 'LATERAL')
_MAX_SPAN = 2**24  # stored values between the lowest and the highest
_NEEDED = ('BitsAllocated', 'BitsStored', 'HighBit', 'SamplesPerPixel', 'PhotometricInterpretation')
_FIRST_AS_STORED = dict(index=0, correct_unused_bits=False)  # pydicom's correction keeps the wrong ones of 12 high bits
_HEAD, _SYNTAX = 4096, re.compile(rb'\x02\x00\x10\x00UI..([0-9.]+)', re.S)  # where the coding is named
PLAIN, DEFLATED = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian), DeflatedExplicitVRLittleEndian
_DELIMITER = b'\xfe\xff\xdd\xe0\0\0\0\0'  # ends compressed pixels
_ITEM = b'\xfe\xff\x00\xe0'  # begins them
# The marker that opens a JPEG's frame, and what it says of its coding (ITU-T T.81, table B.1; T.87).
_JPEG_FRAMES = {
    0xC0: JPEGBaseline8Bit,
    0xC1: JPEGExtended12Bit,
    0xC3: JPEGLosslessSV1,
    0xF7: JPEGLSNearLossless,
}


def transfer_syntax(file: BinaryIO) -> str | None:
    """Finds the UID of the pixels' coding without reading anything else; None where it is not said. Rewinds."""
    match = _SYNTAX.search(file.read(_HEAD))
    file.seek(0)
    return match and match[1].decode()


def read_size(file: BinaryIO) -> tuple[int, int]:
    """Reads width and height in pixels; raises ValueError where the file holds no pixels."""
    dataset = _read(file, _PIXELS, stop_before_pixels=True)
    file.seek(0)
    if 'Rows' not in dataset or 'Columns' not in dataset:
        if kind := dataset.get('SOPClassUID'):
            raise ValueError(f'it is a DICOM file without pixel data ({kind.name})')
        raise ValueError('it is no DICOM file, or one without pixel data')
    return dataset.Columns, dataset.Rows


def read_film(file: BinaryIO) -> Image.Image:
    """Reads the film as 8-bit grey, 0 for black.

    Stored values go through the modality's lookup table or rescaling, then through the first VOI lookup table or window
    (PS3.4 N.2). Without either, 8-bit values stay as they are, and deeper ones are stretched between the film's lowest
    and highest. MONOCHROME1 is inverted; padding becomes black; overlays are left out.

    Raises:
      ValueError: there are no pixels, several frames, or pixels that cannot be decoded.
    """
    dataset = _read(file, _PIXELS)
    if 'PixelData' not in dataset:  # as where the end of compressed ones is missing
        file.seek(0)
        dataset = _read(io.BytesIO(file.read() + _DELIMITER), _PIXELS)
    values = _decode(dataset)
    if dataset.PhotometricInterpretation == 'PALETTE COLOR':
        values = pixels.apply_color_lut(values, dataset)
    if values.ndim == 3:
        return _colour_film(values)
    values = _stored_bits(values, dataset)
    low, high = int(values.min()), int(values.max())
    if high - low > _MAX_SPAN:
        raise ValueError(f'expected stored values within {_MAX_SPAN:,} of each other, got {low:,} to {high:,}')
    offsets = values.astype(np.int64) - low if low else values
    present = np.zeros(high - low + 1, bool)
    present[offsets] = True
    return Image.fromarray(grey_levels(np.arange(low, high + 1), present, dataset)[offsets])


def read_identifiers(path: Path) -> dict[str, str]:
    """Reads the UIDs of study and film, as far as the file has them."""
    dataset = _read_header(path, IDENTIFIERS)
    return {name: str(dataset[name].value) for name in IDENTIFIERS if name in dataset}


def is_lateral(path: Path) -> bool:
    """Tells whether the file says that its view is lateral."""
    return str(_read_header(path, ['ViewPosition']).get('ViewPosition', '')).upper() in _LATERAL


def _read_header(path: Path, tags: Sequence[str]) -> pydicom.Dataset:
    """Some elements of a file; none where it cannot be read, which is reported when its film is read."""
    try:
        return pydicom.dcmread(path, specific_tags=list(tags), stop_before_pixels=True)
    except Exception:  # of many kinds
        return pydicom.Dataset()


def _read(file: BinaryIO, tags: list[str], **options: Any) -> pydicom.Dataset:
    try:
        dataset = pydicom.dcmread(file, specific_tags=tags, force=True, **options)
    except Exception as error:  # of many kinds, and pydicom's words may quote the file
        raise ValueError(f'its DICOM elements cannot be read ({type(error).__name__})') from None
    if 'TransferSyntaxUID' not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
        if dataset.get('PixelData', b'').startswith(_ITEM):
            dataset.file_meta.TransferSyntaxUID = _syntax_of(dataset.PixelData)
            dataset['PixelData'].is_undefined_length = True
    return dataset


def _syntax_of(encapsulated: bytes) -> UID:
    """The coding of compressed pixels by their own first bytes."""
    stream = next(generate_frames(encapsulated, number_of_frames=1))
    if stream.startswith(b'\xff\x4f\xff\x51'):
        return JPEG2000
    position = 2
    while stream.startswith(b'\xff\xd8') and position + 4 <= len(stream):
        if stream[position + 1] in _JPEG_FRAMES:
            return _JPEG_FRAMES[stream[position + 1]]
        position += 2 + int.from_bytes(stream[position + 2 : position + 4])
    raise ValueError('its element TransferSyntaxUID is missing, and its compressed pixels do not reveal their coding')


def _decode(dataset: pydicom.Dataset) -> np.ndarray:
    """Stored values [height, width], or colours [height, width, 3]."""
    frames = int(dataset.get('NumberOfFrames') or 1)
    if frames > 1:
        raise ValueError(f'expected a single film, got {frames} frames; export the one you mean to a file of its own')
    if 'PixelData' not in dataset:
        raise ValueError('it is a DICOM file without pixel data, or one that was cut short')
    _complete(dataset)
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        if syntax.is_compressed and not pixels.get_decoder(syntax).is_available:
            raise NotImplementedError
        return pixels.pixel_array(dataset, **_FIRST_AS_STORED)
    except NotImplementedError:
        raise ValueError(
            f'its pixels are compressed as {syntax.name}, for which pydicom has no plug-in here; '
            "pip install 'camanet_jax[dicom]' reads most, pylibjpeg-openjpeg High-Throughput JPEG 2000"
        ) from None
    except Exception as error:  # as in `_read`
        raise ValueError(_why_undecodable(dataset, syntax, error)) from None


def _complete(dataset: pydicom.Dataset) -> None:
    """Fills in the missing elements that have one sensible value.

    Raises:
      ValueError: others are missing; they are named.
    """
    if 'SamplesPerPixel' not in dataset and str(dataset.get('PhotometricInterpretation')).startswith('MONOCHROME'):
        dataset.SamplesPerPixel = 1
    if 'BitsStored' not in dataset and dataset.get('HighBit') is not None:
        dataset.BitsStored = dataset.HighBit + 1
    if 'HighBit' not in dataset and dataset.get('BitsStored') is not None:
        dataset.HighBit = dataset.BitsStored - 1
    if missing := [name for name in _NEEDED if dataset.get(name) is None]:
        raise ValueError(f'it lacks the DICOM elements that say what its pixels mean: {", ".join(missing)}')
    if dataset.get('PixelRepresentation') is None:
        dataset.PixelRepresentation = 0
        compressed = dataset.file_meta.TransferSyntaxUID.is_compressed
        # The highest bit is a sign, or says that a value is in the upper half.
        if compressed or (pixels.pixel_array(dataset, **_FIRST_AS_STORED) >> dataset.HighBit & 1).any():
            raise ValueError('it lacks the DICOM element that says whether its pixels have signs: PixelRepresentation')


def _why_undecodable(dataset: pydicom.Dataset, syntax: UID, error: Exception) -> str:
    samples = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel
    expected, got = math.ceil(samples * dataset.BitsAllocated / 8), len(dataset.PixelData)
    if not syntax.is_compressed and got < expected:
        return f'its pixels were cut short: expected {expected:,} bytes, got {got:,}'
    if syntax == JPEGExtended12Bit and dataset.BitsStored > 8:
        return f'its pixels are compressed as {syntax.name}, 12 bits; pip install pylibjpeg pylibjpeg-libjpeg reads it'
    return f'its pixels cannot be decoded, or were cut short ({syntax.name}, {type(error).__name__})'


def _stored_bits(values: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """The values without what stands in the bits around them, such as overlays (PS3.5 8.1.1)."""
    bits, spare = dataset.BitsStored, dataset.HighBit + 1 - dataset.BitsStored
    if not 0 < bits < 8 * values.dtype.itemsize or spare < 0:
        return values
    values = (values.astype(np.int64) >> spare) & (2**bits - 1)
    return values - ((values >> (bits - 1)) << bits) if dataset.PixelRepresentation else values


def _colour_film(values: Integer[np.ndarray, 'height width 3']) -> Image.Image:
    if values.dtype.itemsize > 1:
        values = values >> (8 * values.dtype.itemsize - 8)
    return Image.fromarray(values.astype(np.uint8)).convert('L')


# --- Grey levels: from stored values to a viewer's (PS3.4 N.2) ---


def grey_levels(
    stored: Integer[np.ndarray, ' values'], present: Bool[np.ndarray, ' values'], dataset: pydicom.Dataset
) -> UInt8[np.ndarray, ' values']:
    """The grey levels, 0 to 255, of stored values, of which some are `present` in the film."""
    padding = _is_padding(stored, dataset)
    shares = _window(_rescale(stored, dataset), dataset, present & ~padding)
    if dataset.PhotometricInterpretation == 'MONOCHROME1':
        shares = 1 - shares
    return np.rint(255 * np.where(padding, 0, shares)).astype(np.uint8)


def _is_padding(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    first = _number(dataset, 'PixelPaddingValue')
    if first is None:
        return np.zeros(stored.shape, bool)
    last = _number(dataset, 'PixelPaddingRangeLimit')
    low, high = np.sort(_stored_bits(np.array([first, first if last is None else last], np.int64), dataset))
    return (stored >= low) & (stored <= high)


def _rescale(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """The modality's values (PS3.3 C.11.1)."""
    if dataset.get('ModalityLUTSequence'):
        return _look_up(stored, dataset.ModalityLUTSequence[0])
    slope, intercept = _number(dataset, 'RescaleSlope'), _number(dataset, 'RescaleIntercept')
    return stored if slope is None or intercept is None else stored * slope + intercept


def _window(values: np.ndarray, dataset: pydicom.Dataset, counted: np.ndarray) -> Float[np.ndarray, ' values']:
    """Shares of white in [0, 1] (PS3.3 C.11.2); `counted` marks the values that occur in the film."""
    tables = [item for item in dataset.get('VOILUTSequence') or () if item.get('LUTDescriptor') and item.get('LUTData')]
    if tables:
        table = tables[0]
        return _look_up(values, table) / max(_table(table).max(), 1)
    function = str(dataset.get('VOILUTFunction') or 'LINEAR').upper()
    centre, width = _number(dataset, 'WindowCenter'), _number(dataset, 'WindowWidth')
    if centre is None or width is None or width < (1 if function == 'LINEAR' else 1e-9):
        return _spread(values, dataset, counted)
    if function == 'SIGMOID':
        return 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))
    if function == 'LINEAR':
        centre, width = centre - 0.5, max(width - 1, 1e-9)
    return np.clip((values - centre) / width + 0.5, 0, 1)


def _spread(values: np.ndarray, dataset: pydicom.Dataset, counted: np.ndarray) -> Float[np.ndarray, ' values']:
    low, high = 0, 255
    if dataset.BitsStored != 8 or values.min() < low or values.max() > high:
        inside = values[counted] if counted.any() else values
        low, high = inside.min(), inside.max()
    return np.clip((values - low) / max(high - low, 1e-9), 0, 1)


def _number(dataset: pydicom.Dataset, name: str) -> float | None:
    """The first value of an element; None where it is missing, empty, or no finite number."""
    try:
        value = dataset.get(name)  # pydicom converts it here
        if isinstance(value, pydicom.multival.MultiValue):
            value = value[0] if value else None
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _look_up(values: np.ndarray, item: pydicom.Dataset) -> np.ndarray:
    """Values looked up in a table; its first and last entry stand for those beyond its ends."""
    table = _table(item)
    return table[np.clip(np.rint(values).astype(np.int64) - item.LUTDescriptor[1], 0, len(table) - 1)]


def _table(item: pydicom.Dataset) -> Integer[np.ndarray, ' entries']:
    """The entries of a lookup table, of two bytes or of one."""
    count = item.LUTDescriptor[0] % 2**16 or 2**16  # 0 stands for 65536
    data = item.LUTData
    if not isinstance(data, bytes):
        data = np.atleast_1d(np.asarray(data)).astype('<u2').tobytes()
    return np.frombuffer(data, '<u2' if len(data) >= 2 * count else np.uint8)[:count].astype(np.int64)
