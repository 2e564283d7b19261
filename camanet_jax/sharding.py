"""One mesh axis over all devices of all processes: studies are sharded, everything else is replicated."""

import logging
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

LOG = logging.getLogger(__name__)

STUDIES = 'studies'


def make_mesh() -> Mesh:
    """All devices in a row."""
    return Mesh(np.array(jax.devices()), (STUDIES,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def sharded(mesh: Mesh) -> NamedSharding:
    """The first axis, studies, is spread over the devices."""
    return NamedSharding(mesh, PartitionSpec(STUDIES))


def put_batch(batch: dict[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """This process's rows of a batch as the global, sharded batch."""
    return jax.make_array_from_process_local_data(sharded(mesh), batch)


def put_replicated(tree: Any, mesh: Mesh) -> Any:
    """A tree whose values are the same on every process, onto every device."""
    return jax.make_array_from_process_local_data(replicated(mesh), tree)


def on_devices(shapes: Any, mesh: Mesh) -> Any:
    """Abstract arrays, replicated over the mesh: the template of a restore."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=replicated(mesh)), shapes)


def check_batch_size(name: str, size: int, parts: int = 1) -> None:
    """Raises ValueError where a batch cannot be spread evenly over the devices, and each share cut into `parts`."""
    needed = jax.device_count() * parts
    if size < 1 or size % needed:
        raise ValueError(f'Expected {name} to be a multiple of {needed} ({jax.device_count()} devices, {parts} '
                         f'accumulated parts), got {size}. Set --config.{name}.')


def log_devices() -> None:
    """Names the devices, and warns where a GPU is there but unused."""
    kinds = ', '.join(sorted({device.device_kind for device in jax.devices()}))
    LOG.info('Devices: %d x %s (%s), %d process(es)', jax.device_count(), kinds, jax.default_backend(),
                 jax.process_count())
    if jax.default_backend() == 'cpu' and gpu_present():
        LOG.warning('This machine has an NVIDIA GPU, but JAX sees none: install with `pip install -e .[cuda]`.')


def gpu_present() -> bool:
    """Whether the NVIDIA driver shows a card."""
    return any(Path('/proc/driver/nvidia/gpus').glob('*'))
