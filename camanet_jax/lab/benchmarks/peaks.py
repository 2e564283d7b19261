"""What the device can do at best, measured here: floating-point operations of a matrix product, bytes of a copy."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp

from camanet_jax.lab.benchmarks.timing import measure

LONG_ENOUGH = 0.02  # seconds after which a larger problem would not run at a higher rate
SIDES = (512, 1024, 2048, 4096, 8192, 16384)
MEBIBYTES = (64, 256, 1024)  # the smallest one is larger than most caches
REPEATS = 5


@dataclasses.dataclass(frozen=True)
class Peaks:
    """Rates of one device: operations of matrix products, bytes read and written by copies, per second."""

    matrix: float
    copy: float

    def as_dict(self) -> dict[str, float]:
        """With units in the names."""
        return {'matrix_flops_per_second': self.matrix, 'copy_bytes_per_second': self.copy}


def measure_peaks(dtype: jnp.dtype) -> Peaks:
    """Peaks of the first device for arrays of `dtype`, at JAX's default precision."""
    return Peaks(matrix_peak(dtype), copy_peak())


def matrix_peak(dtype: jnp.dtype) -> float:
    """Best rate over square products of growing size."""
    best = 0.0
    for side in SIDES:
        matrix = jax.random.normal(jax.random.key(0), (side, side), dtype)
        seconds = measure({'product': partial(jax.jit(jnp.matmul), matrix, matrix)}, REPEATS)['product'].minimum
        best = max(best, 2 * side**3 / seconds)
        if seconds > LONG_ENOUGH:
            break
    return best


def copy_peak() -> float:
    """Rate of the largest array that was tried: smaller ones may stay in a cache."""
    for size in MEBIBYTES:
        array = jnp.ones(size * 2**20 // 4, jnp.float32)
        # A change of sign reads and writes like a copy, which XLA would leave out.
        seconds = measure({'copy': partial(jax.jit(jnp.negative), array)}, REPEATS)['copy'].minimum
        if seconds > LONG_ENOUGH:
            break
    return 2 * array.nbytes / seconds
