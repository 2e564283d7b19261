"""The safetensors format, through the library of that name."""

from collections.abc import Mapping
from pathlib import Path

import ml_dtypes  # noqa: F401  makes NumPy know bfloat16, which the library asks it for
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """All tensors. One that was shared under two names is stored once; the file's metadata hold the other name."""
    try:
        with safe_open(path, 'numpy') as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}
            shared = file.metadata() or {}
    except (SafetensorError, TypeError) as error:
        raise ValueError(f'cut short, damaged or of an unknown element type ({error})') from error
    return arrays | {name: arrays[kept] for name, kept in shared.items() if kept in arrays and name not in arrays}


def write_safetensors(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Writes tensors by name."""
    # The library takes the bytes as they lie; a transposed view must be laid out first.
    laid_out = {name: np.asarray(array, order='C') for name, array in arrays.items()}
    path.write_bytes(save(laid_out, dict(metadata or {})))


def read_metadata(path: Path) -> dict[str, str]:
    """The texts that were written beside the tensors."""
    with safe_open(path, 'numpy') as file:
        return file.metadata() or {}
