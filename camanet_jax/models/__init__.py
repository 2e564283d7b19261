"""The model of CAMANet as Flax modules and pure functions."""

from camanet_jax.models.camanet import Camanet
from camanet_jax.models.outputs import CamanetOutput, Encoding, Features

__all__ = ['Camanet', 'CamanetOutput', 'Encoding', 'Features']
