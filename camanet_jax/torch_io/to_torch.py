"""A workdir to an official checkpoint."""

import json
import logging
from pathlib import Path

from camanet_jax.run.workdir import TORCH_BUFFERS, open_trained
from camanet_jax.torch_io import weight_names
from camanet_jax.torch_io.buffers import complete_state_dict, fresh_buffers
from camanet_jax.torch_io.safetensors_format import read_metadata, read_safetensors
from camanet_jax.torch_io.state_dicts import write_state_dict

LOG = logging.getLogger(__name__)


def convert_to_torch(workdir: Path, file: Path) -> None:
    """Writes the best checkpoint of a workdir as an official state dict.

    A converted workdir gives back what it was made from, bit for bit, element types included.

    Args:
      workdir: a trained or converted one.
      file: ends in .pth, .pt or .safetensors.
    """
    trained = open_trained(workdir)
    weights = weight_names.state_dict(trained.variables)
    converted = workdir / TORCH_BUFFERS
    if converted.exists():
        buffers, dtypes = read_safetensors(converted), json.loads(read_metadata(converted)['dtypes'])
    else:
        config = trained.experiment.config
        buffers, dtypes = fresh_buffers(weights, trained.step * config.accumulate * config.data.views), {}
    typed = {name: value.astype(dtypes.get(name, value.dtype)) for name, value in weights.items()}
    write_state_dict(file, complete_state_dict(typed, buffers))
    LOG.info('%s, step %d -> %s', workdir, trained.step, file)
