"""State dicts in the file formats that PyTorch users keep them in; safetensors through the library of that name."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from camanet_jax.run.files import replacing
from camanet_jax.run.safetensors_file import read_safetensors, write_safetensors
from camanet_jax.torch_io.tensors import Contents, TensorView, as_array
from camanet_jax.torch_io.torch_files import SIGNATURE, read_legacy, read_zip, write_zip

NESTS = ('state_dict', 'model_state_dict', 'model', 'net')  # keys under which training programs keep the state dict
WRAPPERS = re.compile(r'(module\.|_orig_mod\.)+')  # of DataParallel and of torch.compile
OTHER_FILES = {  # what downloads leave in a checkpoint's place, by their first bytes
    b'<': 'a web page; download the file again',
    b'version https://git-lfs': "Git LFS's pointer to it; fetch it by git lfs pull",
    b'\x1f\x8b': 'a gzipped file; unpack it first',
}
LIGHTNING = 'model.'  # before all names, where the network is a Lightning module's attribute of that name


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Reads arrays by parameter name, in the file's order, without the prefixes of wrappers.

    Args:
      path: a .pth or .pt file (zip or stream format, told apart by content), in which the state dict may lie under
        'state_dict', 'model_state_dict', 'model' or 'net', or a .safetensors file. No code in it is run.

    Raises:
      ValueError: the file is missing, cut short, of another kind, or asks for code; the message names it.
    """
    path = Path(path)
    try:
        arrays = read_arrays(path)
        names = [name[match.end() :] if (match := WRAPPERS.match(name)) else name for name in arrays]
        if all(name.startswith(LIGHTNING) for name in names):
            names = [name.removeprefix(LIGHTNING) for name in names]
        if len(set(names)) < len(names):
            raise ValueError("names that differ only in 'module.' or '_orig_mod.'")
        return dict(zip(names, arrays.values(), strict=True))
    except (ValueError, OSError) as error:
        raise ValueError(f'{path}: {error}') from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The tensors by their names in the file."""
    with path.open('rb') as file:
        start = file.read(512)
    if start.startswith(b'PK\x03\x04'):
        return tensors_of(read_zip(path))
    if SIGNATURE in start[:32]:
        return tensors_of(read_legacy(path))
    if start[8:9] == b'{' or path.suffix == '.safetensors':
        return read_safetensors(path)[0]
    if start[257:262] == b'ustar':
        raise ValueError(
            "the tar format of PyTorch's first releases, which is not read. Load it with PyTorch and save "
            'it again: torch.save(state_dict, ...)'
        )
    got = [name for begin, name in OTHER_FILES.items() if start.startswith(begin)] if start else ['an empty one']
    raise ValueError(
        'expected a file of torch.save (.pth, .pt) or safetensors, '
        f'got {got[0] if got else f"one that begins with {start[:8]}"}'
    )


def tensors_of(contents: Contents) -> dict[str, np.ndarray]:
    """The tensors of the state dict; its other entries are ignored."""
    content = contents.value
    for _ in NESTS:
        inner = [content[key] for key in NESTS if isinstance(content, dict) and isinstance(content.get(key), dict)]
        content = inner[0] if inner else content
    entries = content.items() if isinstance(content, dict) else ()
    views = {key: value for key, value in entries if isinstance(key, str) and isinstance(value, TensorView)}
    if not views:
        raise ValueError(f'expected a state dict, bare or under one of {NESTS}; got {described(contents.value)}')
    return {name: as_array(view, contents.read_storage(view.storage.key)) for name, view in views.items()}


def described(value: Any) -> str:
    """A short description of a file's content."""
    if isinstance(value, dict):
        return f'a dictionary with the keys {sorted(map(str, value))[:10]} and no tensors'
    return f'an object of type {type(value).__name__}'


WRITERS = {'.safetensors': write_safetensors, '.pth': write_zip, '.pt': write_zip}


def write_state_dict(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a state dict, whole or not at all; the suffix names the format.

    Raises:
      ValueError: the suffix is none of .safetensors, .pth, .pt.
    """
    path = Path(path)
    if path.suffix not in WRITERS:
        raise ValueError(f'Expected a file that ends in {", ".join(WRITERS)}, got {path}.')
    with replacing(path) as temporary:
        WRITERS[path.suffix](temporary, arrays)
