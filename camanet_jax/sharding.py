"""One mesh axis over all devices of all processes: studies are sharded, everything else is replicated.

A function that `over_devices` runs sees its own device's studies only. Code that needs the others asks here; it works
unchanged where one program sees the whole batch.
"""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

LOG = logging.getLogger(__name__)

STUDIES = 'studies'


def make_mesh() -> Mesh:
    """All devices in a row."""
    return Mesh(np.array(in_process_order(jax.devices())), (STUDIES,))


def in_process_order(devices: Iterable[jax.Device]) -> list[jax.Device]:
    """Devices sorted by process, so that a process's rows of a batch lie together.

    On TPU slices `jax.devices()` follows the torus, where neighbours may belong to different processes.
    """
    return sorted(devices, key=lambda device: (device.process_index, device.id))


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding under which every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def sharded(mesh: Mesh) -> NamedSharding:
    """The sharding that spreads the first axis, studies, over the devices."""
    return NamedSharding(mesh, PartitionSpec(STUDIES))


def put_batch(batch: dict[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """This process's rows of a batch as the global, sharded batch."""
    return jax.make_array_from_process_local_data(sharded(mesh), batch)


def put_replicated(tree: Any, mesh: Mesh) -> Any:
    """Puts a tree, the same in every process, onto every device."""
    return jax.make_array_from_process_local_data(replicated(mesh), tree)


def on_devices(shapes: Any, mesh: Mesh) -> Any:
    """Abstract arrays, replicated over the mesh: the template of a restore."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=replicated(mesh)), shapes)


def over_devices(function: Callable[..., Any], mesh: Mesh | None) -> Callable[..., Any]:
    """Runs `function(batch, *shared)` on every device with its own studies; results must be the same on all of them.

    Collectives are then where the function writes them. Left to itself the compiler sums the gradient of a weight that
    a loop uses over devices in every round of the loop. One device, or None, needs no collectives.
    """
    if mesh is None or mesh.size == 1:
        return function

    def mapped(batch, *shared):
        specs = (PartitionSpec(STUDIES), *(PartitionSpec() for _ in shared))
        # check_vma would sum gradients by itself, in every round of a loop again.
        return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(), check_vma=False)(
            batch, *shared
        )

    return mapped


def inside() -> bool:
    """True in code that `over_devices` runs."""
    return STUDIES in jax.sharding.get_abstract_mesh().manual_axes


def gather(x: jax.Array) -> jax.Array:
    """Each device's value, [devices, ...]; [1, ...] where one program sees the whole batch."""
    return lax.all_gather(x, STUDIES) if inside() else x[None]


def devices_sharing() -> int:
    """Number of devices that the global batch is spread over here; 1 where one program sees the whole batch."""
    return lax.axis_size(STUDIES) if inside() else 1


def sum_over_devices(tree: Any) -> Any:
    """Every leaf summed over devices, all of them in one collective."""
    return lax.psum(tree, STUDIES) if inside() else tree


def study_numbers(studies: int) -> jax.Array:
    """Indices in the global batch of this device's studies."""
    first = lax.axis_index(STUDIES) * studies if inside() else 0
    return first + jnp.arange(studies)


def check_batch_size(name: str, size: int, parts: int = 1) -> None:
    """Raises ValueError where a batch cannot be spread evenly over the devices, and each share cut into `parts`."""
    needed = jax.device_count() * parts
    if size < 1 or size % needed:
        raise ValueError(
            f'Expected {name} to be a multiple of {needed} ({jax.device_count()} devices, {parts} '
            f'accumulated parts), got {size}. Set --config.{name}.'
        )


def log_devices() -> None:
    """Logs the devices, and warns where a GPU is present but unused."""
    kinds = ', '.join(sorted({device.device_kind for device in jax.devices()}))
    LOG.info(
        'Devices: %d x %s (%s), %d process(es)', jax.device_count(), kinds, jax.default_backend(), jax.process_count()
    )
    if jax.default_backend() == 'cpu' and gpu_present():
        LOG.warning('This machine has an NVIDIA GPU, but JAX sees none: pip install -e ".[cuda12]", or cuda13.')


def gpu_present() -> bool:
    """True where the NVIDIA driver shows a card."""
    return any(Path('/proc/driver/nvidia/gpus').glob('*'))
