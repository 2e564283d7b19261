"""The weights and files of the tiny CheXbert."""

import pytest
from tiny_chexbert import WORDS, random_state_dict

from camanet_jax.torch_io.state_dicts import write_state_dict


@pytest.fixture(scope='session')
def state_dict():
    """Weights in the authors' names."""
    return random_state_dict()


@pytest.fixture(scope='session')
def files(tmp_path_factory, state_dict):
    """(weights, vocabulary) as a user has them; the weights were saved from a DataParallel model."""
    folder = tmp_path_factory.mktemp('chexbert')
    write_state_dict(folder / 'chexbert.pth', {f'module.{name}': array for name, array in state_dict.items()})
    (folder / 'vocab.txt').write_text('\n'.join(WORDS) + '\n', encoding='utf-8')
    return folder / 'chexbert.pth', folder / 'vocab.txt'
