"""The authors' chexbert.pth as our variables: names and layouts, and the sizes of the network."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from camanet_jax.labeling.chexbert import ChexBert
from camanet_jax.torch_io.state_dicts import read_state_dict
from camanet_jax.torch_io.weight_names import Naming, load_variables

HEAD_SIZE = 64  # in every BERT; it cannot be read off a shape
SUBSTITUTIONS = (
    (r'^embeddings/', 'bert.embeddings.'),
    (r'^layer_(\d+)/', r'bert.encoder.layer.\1.'),
    (r'^linear_heads_(\d+)/', r'linear_heads.\1.'),
    (r'\.(query|key|value)/', r'.attention.self.\1.'),
    (r'\.attention_output/', '.attention.output.dense.'),
    (r'\.attention_norm/', '.attention.output.LayerNorm.'),
    (r'\.(intermediate|output)/', r'.\1.dense.'),
    (r'\.output_norm/', '.output.LayerNorm.'),
    (r'/', '.'),
    (r'\.(kernel|scale|embedding)$', '.weight'),
)
# BERT's pooler, which CheXbert does not use, and a counter that newer releases of its library store.
NAMING = Naming(SUBSTITUTIONS, ignored=r'^bert\.(pooler\.|embeddings\.position_ids$)')


def read_chexbert(path: str | Path, dtype: Any = jnp.float32) -> tuple[ChexBert, dict[str, Any]]:
    """The network and its variables from chexbert.pth, as the authors publish it.

    Args:
      dtype: of the computation. The weights are float32, or float64 with it.

    Raises:
      ValueError: the file is not PyTorch's, or holds another network.
    """
    try:
        return load_chexbert(read_state_dict(path), dtype)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error


def load_chexbert(state_dict: Mapping[str, np.ndarray], dtype: Any = jnp.float32) -> tuple[ChexBert, dict[str, Any]]:
    """The network and its variables from a state dict in the authors' names."""
    model = ChexBert(**network_sizes(state_dict), dtype=dtype, param_dtype=jnp.promote_types(dtype, jnp.float32))
    ids, mask = jax.ShapeDtypeStruct((1, 2), jnp.int32), jax.ShapeDtypeStruct((1, 2), jnp.bool)
    template = jax.eval_shape(model.init, jax.random.key(0), ids, mask)
    return model, load_variables(state_dict, template, NAMING)


def network_sizes(state_dict: Mapping[str, np.ndarray]) -> dict[str, int]:
    """The fields of `ChexBert`, read off the shapes of the arrays."""
    names = ('embeddings.word_embeddings', 'embeddings.position_embeddings', 'encoder.layer.0.intermediate.dense')
    names = [f'bert.{name}.weight' for name in names]
    if missing := [name for name in names if name not in state_dict]:
        raise ValueError(f"expected CheXbert's weights, got {len(state_dict)} arrays without {', '.join(missing)}")
    (words, width), (positions, _), (feed_forward, _) = (state_dict[name].shape for name in names)
    layers = {match[1] for name in state_dict if (match := re.match(r'bert\.encoder\.layer\.(\d+)\.', name))}
    sizes = dict(vocabulary_size=words, positions=positions, width=width, feed_forward=feed_forward)
    return sizes | dict(layers=len(layers), heads=width // HEAD_SIZE)
