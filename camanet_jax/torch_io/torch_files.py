"""PyTorch's two formats of a pickled object and its storages.

The zip format (PyTorch 1.6 and later) holds <folder>/data.pkl, and one stored record per storage, <folder>/data/<key>.
The stream format (before 1.6) is five pickles, then the length and the bytes of every storage. The pickles are a magic
number, a version, facts about the machine, the object, and the keys of the storages in order.
"""

import functools
import io
import math
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from camanet_jax.torch_io.tensors import DTYPES, STORAGE_DTYPES, Contents
from camanet_jax.torch_io.unpickler import unpickle

STORAGE_NAMES = {dtype: name for name, dtype in STORAGE_DTYPES.items()}
FORMAT_VERSION = b'3\n'
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
VERSION = 1001
MOST_COMPRESSED = 100  # unpacked bytes for each of the file; PyTorch itself compresses nothing
SIGNATURE = MAGIC_NUMBER.to_bytes(10, 'little')  # stands within a file's first bytes


def read_zip(path: Path) -> Contents:
    """Opens a zip archive of PyTorch's."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError) as error:  # the second for a version that no zip has
        raise ValueError(f'a zip archive that is cut short or damaged ({error})') from error
    pickles = [name for name in archive.namelist() if name.split('/', 1)[-1] == 'data.pkl']
    if len(pickles) != 1:
        raise ValueError('a zip archive, but no checkpoint of PyTorch: it lacks data.pkl')
    folder = pickles[0].removesuffix('data.pkl')
    if f'{folder}byteorder' in archive.namelist() and read_record(archive, f'{folder}byteorder') != b'little':
        raise ValueError('written on a big-endian machine, which cannot be read; save it again on another')
    value, _ = unpickle(io.BytesIO(read_record(archive, pickles[0])))
    return Contents(value, functools.cache(lambda key: read_record(archive, f'{folder}data/{key}')))


def read_record(archive: zipfile.ZipFile, name: str) -> bytes:
    """Reads a member of the archive and verifies its checksum."""
    try:
        if (size := archive.getinfo(name).file_size) > (
            most := MOST_COMPRESSED * os.fstat(archive.fp.fileno()).st_size
        ):
            raise zipfile.BadZipFile(f'it would unpack to {size:,} bytes, expected at most {most:,}')
        return archive.read(name)
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise ValueError(f'its record {name} is missing or damaged ({error})') from error


def write_zip(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a state dict that `torch.load(path, weights_only=True)` reads; an array under two names is stored once."""
    storages = list({id(array): array for array in arrays.values()}.values())
    keys = {id(array): str(number) for number, array in enumerate(storages)}
    with zipfile.ZipFile(path, 'w') as archive:
        add_record(archive, 'data.pkl', pickled_state_dict(arrays, keys))
        add_record(archive, 'byteorder', b'little')
        for array in storages:
            add_record(archive, f'data/{keys[id(array)]}', array.tobytes())
        add_record(archive, 'version', FORMAT_VERSION)


def add_record(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Adds a record without a date, so that the same weights make the same file."""
    archive.writestr(zipfile.ZipInfo(f'archive/{name}'), data)


def pickled_state_dict(arrays: Mapping[str, np.ndarray], keys: Mapping[int, str]) -> bytes:
    """The pickle of an OrderedDict of tensors, opcode by opcode: to name its parts, `pickle` would import torch."""
    items = b''.join(text(name) + tensor(array, keys[id(array)]) for name, array in arrays.items())
    return pickle.PROTO + b'\x02' + empty_ordered_dict() + pickle.MARK + items + pickle.SETITEMS + pickle.STOP


def tensor(array: np.ndarray, key: str) -> bytes:
    """_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)."""
    if array.dtype.name not in STORAGE_NAMES:
        raise ValueError(f'expected an element type among {", ".join(STORAGE_NAMES)}, got {array.dtype.name}')
    storage_type = global_name('torch', STORAGE_NAMES[array.dtype.name])
    storage = sequence(text('storage'), storage_type, text(key), text('cpu'), integer(array.size)) + pickle.BINPERSID
    strides = [math.prod(array.shape[axis + 1 :]) for axis in range(array.ndim)]
    shape_and_strides = (sequence(*map(integer, sizes)) for sizes in (array.shape, strides))
    arguments = sequence(storage, integer(0), *shape_and_strides, pickle.NEWFALSE, empty_ordered_dict())
    return global_name('torch._utils', '_rebuild_tensor_v2') + arguments + pickle.REDUCE


def empty_ordered_dict() -> bytes:
    """OrderedDict()."""
    return global_name('collections', 'OrderedDict') + pickle.EMPTY_TUPLE + pickle.REDUCE


def sequence(*items: bytes) -> bytes:
    """A tuple."""
    return pickle.MARK + b''.join(items) + pickle.TUPLE


def global_name(module: str, name: str) -> bytes:
    """A name to be imported."""
    return pickle.GLOBAL + f'{module}\n{name}\n'.encode()


def text(value: str) -> bytes:
    """A string."""
    data = value.encode()
    return pickle.BINUNICODE + struct.pack('<I', len(data)) + data


def integer(value: int) -> bytes:
    """An integer."""
    return pickle.BININT + struct.pack('<i', value)


def read_legacy(path: Path) -> Contents:
    """Opens a file of the stream format."""
    with path.open('rb') as file:
        (magic, _), (version, _), (machine, _) = unpickle(file), unpickle(file), unpickle(file)
        if magic != MAGIC_NUMBER or version != VERSION or not isinstance(machine, dict):
            raise ValueError(f'expected version {VERSION} of the stream format, got {version!r}')
        value, dtypes = unpickle(file)
        keys, _ = unpickle(file)
        if not isinstance(keys, list) or set(dtypes) != set(map(str, keys)):
            raise ValueError('its list of storages is not that of its tensors; the file is damaged')
        extents = storage_extents(file, [str(key) for key in keys], dtypes, path.stat().st_size)
    return Contents(value, functools.cache(lambda key: read_part(path, *extents[key])))


def storage_extents(file: BinaryIO, keys: list[str], dtypes: dict[str, str], size: int) -> dict[str, tuple[int, int]]:
    """{key: (position, number of bytes)} of the storages that follow in a file of `size` bytes."""
    extents = {}
    for number, key in enumerate(keys):
        header = file.read(8)
        if len(header) < 8:
            raise ValueError(f'cut short: {number} of {len(keys)} storages are there')
        length = struct.unpack('<q', header)[0] * DTYPES[dtypes[key]].itemsize
        extents[key] = file.tell(), length
        if length < 0 or file.tell() + length > size:
            raise ValueError(
                f'cut short: storage {number + 1} of {len(keys)} has {length} bytes, {size - file.tell()} are left'
            )
        file.seek(length, 1)
    return extents


def read_part(path: Path, position: int, length: int) -> bytes:
    """Reads `length` bytes of a file from `position` on."""
    with path.open('rb') as file:
        file.seek(position)
        return file.read(length)
