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
BY_STUDY = PartitionSpec(STUDIES)
EVERYWHERE = PartitionSpec()


def make_mesh() -> Mesh:
    """All devices in a row."""
    return Mesh(np.array(in_process_order(jax.devices())), (STUDIES,))


def own_mesh() -> Mesh:
    """This process's devices: for work that the other processes take no part in."""
    return Mesh(np.array(in_process_order(jax.local_devices())), (STUDIES,))


def in_process_order(devices: Iterable[jax.Device]) -> list[jax.Device]:
    """Devices sorted by process, so that a process's rows of a batch lie together.

    On TPU slices `jax.devices()` follows the torus, where neighbours may belong to different processes.
    """
    return sorted(devices, key=lambda device: (device.process_index, device.id))


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding under which every device holds the whole array."""
    return NamedSharding(mesh, EVERYWHERE)


def sharded(mesh: Mesh) -> NamedSharding:
    """The sharding that spreads the first axis, studies, over the devices."""
    return NamedSharding(mesh, BY_STUDY)


def put_batch(batch: dict[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """This process's rows of a batch as the global, sharded batch."""
    return jax.make_array_from_process_local_data(sharded(mesh), batch)


def put_replicated(tree: Any, mesh: Mesh) -> Any:
    """Puts a tree, the same in every process, onto every device."""
    return jax.make_array_from_process_local_data(replicated(mesh), tree)


def on_devices(shapes: Any, mesh: Mesh) -> Any:
    """Abstract arrays, replicated over the mesh: the template of a restore."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=replicated(mesh)), shapes)


def over_devices(function: Callable[..., Any], mesh: Mesh | None, results: Any = EVERYWHERE) -> Callable[..., Any]:
    """Runs `function(batch, *shared)` on every device with its own studies.

    Collectives are then where the function writes them. Left to itself the compiler sums the gradient of a weight that
    a loop uses over devices in every round of the loop, and gathers a search's scores at every word. One device, or
    None, needs no collectives.

    Args:
      results: EVERYWHERE where the function makes the same on all devices, BY_STUDY where a row is a study's, or a tree
        of both.
    """
    if mesh is None or mesh.size == 1:
        return function

    def mapped(batch, *shared):
        specs = (BY_STUDY, *(EVERYWHERE for _ in shared))
        # check_vma would sum gradients by itself, in every round of a loop again.
        return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=results, check_vma=False)(batch, *shared)

    return mapped


def by_study(function: Callable[..., Any]) -> Callable[..., Any]:
    """Runs `function(batch, *shared)`, jitted, over this process's devices; rows of batch and results are studies.

    A batch that the devices cannot share evenly gets its last study again; callers leave the results' last rows unread.
    """
    mesh = own_mesh()
    run = jax.jit(over_devices(function, mesh, BY_STUDY))

    def fill(x):
        missing = -len(x) % mesh.size
        return np.concatenate([x, np.repeat(x[-1:], missing, axis=0)]) if missing else x

    return lambda batch, *shared: run(put_batch(jax.tree.map(fill, batch), mesh), *shared)


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


def study_keys(key: jax.Array, studies: int) -> jax.Array:
    """A key for each of this device's studies, by its index in the global batch."""
    return keys_of(key, study_numbers(studies))


def keys_of(key: jax.Array, numbers: jax.Array) -> jax.Array:
    """A key for each number."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, numbers)


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
    names = ', '.join(sorted({device.device_kind for device in jax.devices()}))
    LOG.info(
        'Devices: %d x %s (%s), %d process(es)', jax.device_count(), names, jax.default_backend(), jax.process_count()
    )
    if jax.default_backend() == 'cpu' and gpu_present():
        LOG.warning('This machine has an NVIDIA GPU, but JAX sees none: pip install -e ".[cuda12]", or cuda13.')


def gpu_present() -> bool:
    """True where the NVIDIA driver shows a card."""
    return any(Path('/proc/driver/nvidia/gpus').glob('*'))
