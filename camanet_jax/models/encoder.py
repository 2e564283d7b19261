"""Transformer encoder over visual tokens (equation 2) and the discriminative representation (VDMAE; equation 12)."""

from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from camanet_jax.models.layers import Dropout, FeedForward, LayerNorm, MultiHeadAttention


class EncoderLayer(nn.Module):
    """Pre-norm self-attention and feed-forward, each with a residual after dropout."""

    width: int
    feed_forward: int
    heads: int
    dropout: float
    dtype: Any
    param_dtype: Any

    @nn.compact
    def __call__(self, x, mask=None, *, train: bool):
        dtypes = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        drop = partial(Dropout(self.dropout), deterministic=not train)
        normed = LayerNorm(name='norm1', **dtypes)(x)
        attention = MultiHeadAttention(self.width, self.heads, self.dropout, name='self_attention', **dtypes)
        x = x + drop(attention(normed, normed, mask, train=train)[0])
        normed = LayerNorm(name='norm2', **dtypes)(x)
        mlp = FeedForward(self.width, self.feed_forward, self.dropout, name='feed_forward_block', **dtypes)
        return x + drop(mlp(normed, train=train))


class Encoder(nn.Module):
    """`layers` encoder layers and a final LayerNorm; no position code. [B, P + 1, D] -> [B, P + 1, D] (equation 12).

    `mask` [B, 1, P + 1] is True for the tokens that are read.
    """

    width: int
    feed_forward: int
    heads: int
    layers: int
    dropout: float
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, mask=None, *, train: bool):
        for i in range(self.layers):
            x = EncoderLayer(
                self.width, self.feed_forward, self.heads, self.dropout, self.dtype, self.param_dtype, name=f'layer{i}'
            )(x, mask, train=train)
        return LayerNorm(self.dtype, self.param_dtype, name='norm')(x)
