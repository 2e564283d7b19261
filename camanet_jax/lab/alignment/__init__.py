"""Where the maps lie against the lesions that are there, in numbers (the paper shows it in pictures only)."""

from camanet_jax.lab.alignment.measurement import measure, write

__all__ = ['measure', 'write']
