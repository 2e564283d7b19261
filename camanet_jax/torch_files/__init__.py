"""Files of PyTorch weights, read and written without PyTorch."""

from camanet_jax.torch_files.state_dicts import read_state_dict, write_state_dict

__all__ = ['read_state_dict', 'write_state_dict']
