"""Peak memory of the device, or of the process where the device keeps no count, and what a program needs."""

import resource
import sys
from collections.abc import Callable
from typing import Any

import jax

RESIDENT_UNIT = 1 if sys.platform == 'darwin' else 1024  # of ru_maxrss, in bytes


def peak_memory() -> dict[str, Any]:
    """The most that was held so far: it covers everything that this process has run."""
    stats = jax.local_devices()[0].memory_stats() or {}
    if 'peak_bytes_in_use' in stats:
        return {'peak_bytes': stats['peak_bytes_in_use'], 'measured': 'memory of the first device'}
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RESIDENT_UNIT
    return {'peak_bytes': resident, 'measured': 'resident memory of the process'}


def program_memory(compiled: jax.stages.Compiled) -> dict[str, int]:
    """What XLA planned: arguments, results that are no donated arguments, and scratch space."""
    plan = compiled.memory_analysis()
    arguments, temporary = plan.argument_size_in_bytes, plan.temp_size_in_bytes
    results = plan.output_size_in_bytes - plan.alias_size_in_bytes
    return {
        'argument_bytes': arguments,
        'result_bytes': results,
        'temporary_bytes': temporary,
        'program_bytes': arguments + results + temporary,
    }


def kept_arrays(loss: Callable[[Any], Any], params: Any) -> list[jax.ShapeDtypeStruct]:
    """Arrays that the forward pass of `loss(params)` keeps for the backward pass."""
    return jax.tree.leaves(jax.eval_shape(lambda params: jax.vjp(loss, params)[1], params))
