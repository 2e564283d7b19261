"""CheXbert (Smit et al., 2020): BERT-base, a linear head per observation on the first token, the authors' weights.

BERT is Devlin et al. (2019) without its pooler: token, position and type embeddings, then post-norm layers.

B reports, L tokens (positions), V vocabulary, D width, F feed-forward, H heads, K head size, Y observations.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from camanet_jax.models.layers import widened
from camanet_jax.torch_io.state_dicts import read_state_dict
from camanet_jax.torch_io.weight_names import Naming, load_variables

HEAD_CLASSES = (4,) * 13 + (2,)  # blank, positive, negative, uncertain; No Finding has the first two only
LAYER_NORM_EPSILON = 1e-12
TOKEN_TYPES = 2
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


class ChexBertOutput(NamedTuple):
    """The network's output for a batch of reports."""

    first_token: Float[Array, 'B D']  # of the last layer, which the heads read
    logits: Float[Array, 'B Y 4']  # in the order of CheXbert's heads; -inf where a head has no such class


class ChexBert(nn.Module):
    """The labeler's network, by default of BERT-base's size; it computes in `dtype`, norms in float32 or more."""

    vocabulary_size: int = 30522
    positions: int = 512  # the longest input, in tokens
    width: int = 768
    feed_forward: int = 3072
    layers: int = 12
    heads: int = 12
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32

    def setup(self):
        dtypes = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.embeddings = Embeddings(self.vocabulary_size, self.positions, self.width, **dtypes)
        self.layer = [EncoderLayer(self.width, self.feed_forward, self.heads, **dtypes) for _ in range(self.layers)]
        self.linear_heads = [nn.Dense(classes, **dtypes) for classes in HEAD_CLASSES]

    def __call__(self, ids: Int[Array, 'B L'], mask: Bool[Array, 'B L']) -> ChexBertOutput:
        """Reads padded reports; `mask` is True on tokens, False on padding."""
        with jax.default_matmul_precision('highest'):  # elsewhere than on a CPU, JAX's default could tip a label
            x = self.embeddings(ids)
            for layer in self.layer:
                x = layer(x, mask)
            first = x[:, 0]
            logits = [head(first) for head in self.linear_heads]
        widest = max(HEAD_CLASSES)
        padded = [jnp.pad(each, ((0, 0), (0, widest - each.shape[1])), constant_values=-jnp.inf) for each in logits]
        return ChexBertOutput(first, jnp.stack(padded, axis=1))


class Embeddings(nn.Module):
    """Sum of token, position and type embeddings, normalised; every token is of type 0."""

    vocabulary_size: int
    positions: int
    width: int
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, ids):
        def table(rows, name):
            return nn.Embed(rows, self.width, dtype=self.dtype, param_dtype=self.param_dtype, name=name)

        tokens = table(self.vocabulary_size, 'word_embeddings')(ids)
        positions = table(self.positions, 'position_embeddings')(jnp.arange(ids.shape[1]))
        types = table(TOKEN_TYPES, 'token_type_embeddings')(jnp.zeros_like(ids))
        return layer_norm('LayerNorm', self)(tokens + types + positions)


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward block, each added to its input and then normalised."""

    width: int
    feed_forward: int
    heads: int
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, mask):
        def dense(features, name):
            return nn.Dense(features, dtype=self.dtype, param_dtype=self.param_dtype, name=name)

        query, key, value = (
            rearrange(dense(self.width, name)(x), 'B L (H K) -> B L H K', H=self.heads)
            for name in ('query', 'key', 'value')
        )
        attended = rearrange(attention(query, key, value, mask), 'B L H K -> B L (H K)')
        x = layer_norm('attention_norm', self)(x + dense(self.width, 'attention_output')(attended))
        inner = jax.nn.gelu(dense(self.feed_forward, 'intermediate')(x), approximate=False)
        return layer_norm('output_norm', self)(x + dense(self.width, 'output')(inner))


def attention(
    query: Float[Array, 'B L H K'],
    key: Float[Array, 'B L H K'],
    value: Float[Array, 'B L H K'],
    mask: Bool[Array, 'B L'],
) -> Float[Array, 'B L H K']:
    """Scaled dot-product attention to the tokens where `mask` is True; its softmax is in float32 or more."""
    scores = jnp.einsum('bqhk,blhk->bhql', query, key) * query.shape[-1] ** -0.5
    weights = jax.nn.softmax(widened(scores), where=mask[:, None, None], axis=-1)  # --> [B, H, L, L]
    return jnp.einsum('bhql,blhk->bqhk', weights.astype(value.dtype), value)


def layer_norm(name: str, module: nn.Module) -> nn.LayerNorm:
    """BERT's LayerNorm; the variance is of centred values, since the faster difference of means loses digits."""
    return nn.LayerNorm(
        LAYER_NORM_EPSILON, dtype=module.dtype, param_dtype=module.param_dtype, use_fast_variance=False, name=name
    )


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
