"""Floating-point operations and bytes of a compiled program by XLA's count, and the achieved share of the peaks.

XLA counts the body of a loop once, whatever the number of rounds, so loops are put together from their parts here. Its
bytes are those that every fused operation reads and writes, caches or not: more than reaches the memory.
"""

from typing import Any, NamedTuple

import jax

from camanet_jax.lab.benchmarks.peaks import Peaks

ACCELERATOR = 'tpu'  # any: what is counted is not compiled


class Cost(NamedTuple):
    """Of one device's share of a program."""

    flops: float
    bytes: float

    def and_also(self, other: 'Cost', times: int = 1) -> 'Cost':
        """This program, and another one so many times."""
        return Cost(self.flops + times * other.flops, self.bytes + times * other.bytes)


def cost_of(compiled: jax.stages.Compiled) -> Cost:
    """XLA's count for one device."""
    counts = compiled.cost_analysis() or {}
    return Cost(float(counts.get('flops', 0)), float(counts.get('bytes accessed', 0)))


def flops_of(traced: jax.stages.Traced) -> float:
    """XLA's count before compilation, as accelerators compute it: on CPU some gradients are loops over films."""
    return float(traced.lower(lowering_platforms=(ACCELERATOR,)).cost_analysis()['flops'])


def gradient_cost(traced: jax.stages.Traced, compiled: jax.stages.Compiled, devices: int = 1) -> Cost:
    """Of a program that holds gradients of convolutions, and that the compiler spreads over so many devices."""
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
