"""The cost of compiled programs beside the peaks of the device: operations, bytes, memory.

XLA counts the body of a loop once, whatever the number of rounds, so loops are put together from their parts here. Its
bytes are those that every fused operation reads and writes, caches or not: more than reaches the memory. The peaks are
measured: operations of a matrix product, bytes of a copy.
"""

import dataclasses
import resource
import sys
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from camanet_jax.lab.benchmarks.timing import measure

ACCELERATOR = 'tpu'  # any: what is counted is not compiled
LONG_ENOUGH = 0.02  # seconds after which a larger problem would not run at a higher rate
SIDES = (512, 1024, 2048, 4096, 8192, 16384)
MEBIBYTES = (64, 256, 1024)  # the smallest one is larger than most caches
REPEATS = 5
RESIDENT_UNIT = 1 if sys.platform == 'darwin' else 1024  # of ru_maxrss, in bytes


@dataclasses.dataclass(frozen=True)
class Peaks:
    """Rates of one device: operations of matrix products, bytes read and written by copies, per second."""

    matrix: float
    copy: float

    def as_dict(self) -> dict[str, float]:
        """The rates with units in their names."""
        return {'matrix_flops_per_second': self.matrix, 'copy_bytes_per_second': self.copy}


def measure_peaks(dtype: jnp.dtype) -> Peaks:
    """Peaks of the first device, at JAX's default precision: of products of `dtype` the best rate over square matrices
    of growing size, of copies that of the largest array tried, since smaller ones may stay in a cache.
    """
    matrix_peak = 0.0
    for side in SIDES:
        matrix = jax.random.normal(jax.random.key(0), (side, side), dtype)
        seconds = measure({'product': partial(jax.jit(jnp.matmul), matrix, matrix)}, REPEATS)['product'].minimum
        matrix_peak = max(matrix_peak, 2 * side**3 / seconds)
        if seconds > LONG_ENOUGH:
            break
    for size in MEBIBYTES:
        array = jnp.ones(size * 2**20 // 4, jnp.float32)
        # A change of sign reads and writes like a copy, which XLA would leave out.
        seconds = measure({'copy': partial(jax.jit(jnp.negative), array)}, REPEATS)['copy'].minimum
        if seconds > LONG_ENOUGH:
            break
    return Peaks(matrix_peak, 2 * array.nbytes / seconds)


class Cost(NamedTuple):
    """The cost of one device's share of a program."""

    flops: float
    bytes: float

    def and_also(self, other: 'Cost', times: int = 1) -> 'Cost':
        """The cost of this program, and of another that runs `times` times."""
        return Cost(self.flops + times * other.flops, self.bytes + times * other.bytes)


def cost_of(compiled: jax.stages.Compiled) -> Cost:
    """XLA's count for one device."""
    counts = compiled.cost_analysis() or {}
    return Cost(float(counts.get('flops', 0)), float(counts.get('bytes accessed', 0)))


def flops_of(traced: jax.stages.Traced) -> float:
    """XLA's count before compilation, as accelerators compute it: on CPU some gradients are loops over films."""
    return float(traced.lower(lowering_platforms=(ACCELERATOR,)).cost_analysis()['flops'])


def gradient_cost(traced: jax.stages.Traced, compiled: jax.stages.Compiled, devices: int = 1) -> Cost:
    """The cost of a program that holds gradients of convolutions and is spread over `devices`."""
    return cost_of(compiled)._replace(flops=flops_of(traced) / devices)


def achieved(cost: Cost, seconds: float, peaks: Peaks) -> dict[str, Any]:
    """Rates of a program that took `seconds`, as shares of the device's peaks."""
    return {
        'flops': cost.flops,
        'bytes': cost.bytes,
        'flops_per_second': cost.flops / seconds,
        'bytes_per_second': cost.bytes / seconds,
        'matrix_peak_share': cost.flops / seconds / peaks.matrix,
        'copy_peak_share': cost.bytes / seconds / peaks.copy,
    }


def peak_memory() -> dict[str, Any]:
    """The largest memory use so far, by everything that this process has run."""
    stats = jax.local_devices()[0].memory_stats() or {}
    if 'peak_bytes_in_use' in stats:
        return {'peak_bytes': stats['peak_bytes_in_use'], 'measured': 'memory of the first device'}
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RESIDENT_UNIT
    return {'peak_bytes': resident, 'measured': 'resident memory of the process'}


def program_memory(compiled: jax.stages.Compiled) -> dict[str, int]:
    """XLA's plan: arguments, results that are no donated arguments, and scratch space."""
    plan = compiled.memory_analysis()
    arguments, temporary = plan.argument_size_in_bytes, plan.temp_size_in_bytes
    results = plan.output_size_in_bytes - plan.alias_size_in_bytes
    return {
        'argument_bytes': arguments,
        'result_bytes': results,
        'temporary_bytes': temporary,
        'program_bytes': arguments + results + temporary,
    }
