"""Official checkpoints to workdirs and back."""

from camanet_jax.conversion.from_torch import convert_from_torch
from camanet_jax.conversion.to_torch import convert_to_torch

__all__ = ['convert_from_torch', 'convert_to_torch']
