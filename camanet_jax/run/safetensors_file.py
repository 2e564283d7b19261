"""Arrays by name in the safetensors format, through the library of that name. No code in a file is run."""

from collections.abc import Mapping
from pathlib import Path

import ml_dtypes  # noqa: F401  makes NumPy know bfloat16, which the library asks it for
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save


def read_safetensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """All tensors, and the metadata. A tensor of two names is stored under one; the metadata maps the other to it."""
    try:
        with safe_open(path, 'numpy') as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}
            metadata = file.metadata() or {}
    except (SafetensorError, TypeError) as error:
        raise ValueError(f'cut short, damaged or of an unknown element type ({error})') from error
    shared = {name: arrays[kept] for name, kept in metadata.items() if kept in arrays and name not in arrays}
    return arrays | shared, metadata


def write_safetensors(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Writes tensors by name."""
    # The library copies the bytes in memory order, so a transposed view must become contiguous first.
    laid_out = {name: np.asarray(array, order='C') for name, array in arrays.items()}
    path.write_bytes(save(laid_out, dict(metadata or {})))
