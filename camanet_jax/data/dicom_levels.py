"""DICOM's grey levels: from stored values to what a viewer shows (PS3.4 N.2)."""

import numpy as np
import pydicom
from jaxtyping import Bool, Float, Integer, UInt8


def grey_levels(
    stored: Integer[np.ndarray, ' values'], present: Bool[np.ndarray, ' values'], dataset: pydicom.Dataset
) -> UInt8[np.ndarray, ' values']:
    """The shown grey, 0 to 255, of stored values, of which some are `present` in the film."""
    padding = _is_padding(stored, dataset)
    shares = _window(_rescale(stored, dataset), dataset, present & ~padding)
    if dataset.PhotometricInterpretation == 'MONOCHROME1':
        shares = 1 - shares
    return np.rint(255 * np.where(padding, 0, shares)).astype(np.uint8)


def _is_padding(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    first = dataset.get('PixelPaddingValue')
    if first is None:
        return np.zeros(stored.shape, bool)
    last = dataset.get('PixelPaddingRangeLimit')
    low, high = sorted((first, first if last is None else last))
    return (stored >= low) & (stored <= high)


def _rescale(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """The modality's values (PS3.3 C.11.1)."""
    if dataset.get('ModalityLUTSequence'):
        return _look_up(stored, dataset.ModalityLUTSequence[0])
    slope, intercept = dataset.get('RescaleSlope'), dataset.get('RescaleIntercept')
    return stored if slope is None or intercept is None else stored * float(slope) + float(intercept)


def _window(values: np.ndarray, dataset: pydicom.Dataset, counted: np.ndarray) -> Float[np.ndarray, ' values']:
    """Shares of white in [0, 1] (PS3.3 C.11.2); `counted` are the film's own values."""
    if dataset.get('VOILUTSequence'):
        table = dataset.VOILUTSequence[0]
        return _look_up(values, table) / max(_table(table).max(), 1)
    function = str(dataset.get('VOILUTFunction') or 'LINEAR').upper()
    centre, width = _first(dataset, 'WindowCenter'), _first(dataset, 'WindowWidth')
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


def _first(dataset: pydicom.Dataset, name: str) -> float | None:
    value = dataset.get(name)
    if isinstance(value, pydicom.multival.MultiValue):
        value = value[0] if value else None
    return None if value in (None, '') else float(value)


def _look_up(values: np.ndarray, item: pydicom.Dataset) -> np.ndarray:
    """Values through a lookup table; beyond its ends, its first and last entry."""
    table = _table(item)
    return table[np.clip(np.rint(values).astype(np.int64) - item.LUTDescriptor[1], 0, len(table) - 1)]


def _table(item: pydicom.Dataset) -> Integer[np.ndarray, ' entries']:
    """A lookup table's entries, which are words, or two to a word."""
    count = item.LUTDescriptor[0] % 2**16 or 2**16  # 0 stands for 65536
    data = item.LUTData
    if not isinstance(data, bytes):
        data = np.atleast_1d(np.asarray(data)).astype('<u2').tobytes()
    return np.frombuffer(data, '<u2' if len(data) >= 2 * count else np.uint8)[:count].astype(np.int64)
