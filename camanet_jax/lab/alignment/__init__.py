"""Alignment of the maps with the lesions in numbers (the paper shows pictures only)."""

from camanet_jax.lab.alignment.measurement import measure, write

__all__ = ['measure', 'write']
