"""The stream format (PyTorch before 1.6): five pickles, then every storage as its length and its bytes.

The pickles are a magic number, a version, facts about the machine, the object, and the keys of the storages in order.
"""

import functools
import struct
from pathlib import Path
from typing import BinaryIO

from camanet_jax.torch_io.contents import Contents
from camanet_jax.torch_io.tensors import DTYPES
from camanet_jax.torch_io.unpickler import unpickle

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
VERSION = 1001
SIGNATURE = MAGIC_NUMBER.to_bytes(10, 'little')  # stands within a file's first bytes


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
        places = storage_places(file, [str(key) for key in keys], dtypes, path.stat().st_size)
    return Contents(value, functools.cache(lambda key: read_part(path, *places[key])))


def storage_places(file: BinaryIO, keys: list[str], dtypes: dict[str, str], size: int) -> dict[str, tuple[int, int]]:
    """{key: (position, number of bytes)} of the storages that follow in a file of `size` bytes."""
    places = {}
    for number, key in enumerate(keys):
        header = file.read(8)
        if len(header) < 8:
            raise ValueError(f'cut short: {number} of {len(keys)} storages are there')
        length = struct.unpack('<q', header)[0] * DTYPES[dtypes[key]].itemsize
        places[key] = file.tell(), length
        if length < 0 or file.tell() + length > size:
            raise ValueError(
                f'cut short: storage {number + 1} of {len(keys)} has {length} bytes, {size - file.tell()} are left'
            )
        file.seek(length, 1)
    return places


def read_part(path: Path, position: int, length: int) -> bytes:
    """Some bytes of a file."""
    with path.open('rb') as file:
        file.seek(position)
        return file.read(length)
