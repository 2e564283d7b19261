"""The model of CAMANet as Flax modules and pure functions."""

from camanet_jax.models.camanet import Camanet, CamanetOutput

__all__ = ['Camanet', 'CamanetOutput']
