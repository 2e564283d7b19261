"""Tensors as a PyTorch file describes them: views, by offset and strides, of storages that several may share.

Tensors are described first and read later, so that only those that are needed are read.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import ml_dtypes  # noqa: F401  makes NumPy know bfloat16
import numpy as np

# From the class of a storage to NumPy's name of its elements.
STORAGE_DTYPES = {
    'FloatStorage': 'float32',
    'DoubleStorage': 'float64',
    'HalfStorage': 'float16',
    'BFloat16Storage': 'bfloat16',
    'LongStorage': 'int64',
    'IntStorage': 'int32',
    'ShortStorage': 'int16',
    'CharStorage': 'int8',
    'ByteStorage': 'uint8',
    'BoolStorage': 'bool',
    'ComplexFloatStorage': 'complex64',
    'ComplexDoubleStorage': 'complex128',
}
DTYPES = {name: np.dtype(name) for name in (*STORAGE_DTYPES.values(), 'uint16', 'uint32', 'uint64')}


class Storage(NamedTuple):
    """`count` elements of a stored block of bytes, from element `first` on."""

    key: str
    dtype: str  # a key of DTYPES
    first: int
    count: int


class TensorView(NamedTuple):
    """A tensor as the file describes it; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str


def tensor_view(
    storage: Storage, offset: int, shape: Sequence[int], strides: Sequence[int], dtype: str | None = None
) -> TensorView:
    """A checked view.

    Raises:
      ValueError: the arguments describe no tensor, or it reaches beyond its storage.
    """
    shape, strides = tuple(shape), tuple(strides)
    counts = (offset, *shape, *strides)
    if not (isinstance(storage, Storage) and len(shape) == len(strides) and all(map(is_count, counts))):
        raise ValueError(
            f'expected a tensor, got storage {storage!r}, offset {offset!r}, shape {shape}, strides {strides}'
        )
    view = TensorView(storage, offset, shape, strides, dtype or storage.dtype)
    size = storage.count * DTYPES[storage.dtype].itemsize // DTYPES[view.dtype].itemsize
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if 0 not in shape and last >= size:
        raise ValueError(f'a tensor of shape {shape} reaches element {last} of a storage of {size}')
    return view


def is_count(value: object) -> bool:
    """Tells whether a value is an integer of 0 or more."""
    return isinstance(value, int) and value >= 0


def as_array(view: TensorView, data: bytes | memoryview) -> np.ndarray:
    """The tensor's values, without a copy; `data` are the bytes of the whole block that its storage lies in."""
    storage, dtype = view.storage, DTYPES[view.dtype]
    itemsize = DTYPES[storage.dtype].itemsize
    if len(data) < (storage.first + storage.count) * itemsize:
        raise ValueError(
            f'storage {storage.key} should hold {storage.first + storage.count} elements of '
            f'{storage.dtype}, but has {len(data)} bytes; the file is damaged'
        )
    if 0 in view.shape:
        return np.empty(view.shape, dtype)
    start = storage.first * itemsize
    elements = np.frombuffer(data, dtype, storage.count * itemsize // dtype.itemsize, start)
    strides = tuple(stride * dtype.itemsize for stride in view.strides)
    return np.lib.stride_tricks.as_strided(elements[view.offset :], view.shape, strides, writeable=False)


class Contents(NamedTuple):
    """The pickled object, with tensors as `TensorView`s, and a function that reads the bytes of a storage by key."""

    value: Any
    read_storage: Callable[[str], bytes | memoryview]
