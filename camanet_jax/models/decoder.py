"""Relational-memory decoder with memory-driven conditional LayerNorm (MCLN; Chen et al., EMNLP 2020); equation 4.

B studies, P visual tokens, L report tokens, D width, S memory slots, N beams, H heads, K head size.
"""

from typing import Any

import jax.numpy as jnp
from einops import rearrange
from flax import linen as nn
from flax import struct
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from camanet_jax.models.layers import (
    MASKED_SCORE,
    Dropout,
    FeedForward,
    LayerNorm,
    MultiHeadAttention,
    linear,
    standardise,
    xavier_uniform,
)

MAP_FLOOR = 0.01  # added to a map in [0, 1] before its logarithm


@struct.dataclass
class DecoderCache:
    """Keys, values and memory of the decoded prefixes of all beams.

    Keys and values stay where they were written: `ancestors` notes which of them a beam has read, so that
    reordering beams moves a few integers instead of the cache, and attention reads it without copying.

    Attributes:
      keys, values: a tuple over layers of [B, H, K, L * N] and of [B, H, L * N, K], self-attention projections of the
        tokens read so far.
      ancestors: [B, N, L], the beam, of N, under which each token of a beam's prefix was written; -1: not yet.
      memory: [B, N, S, D], the relational memory after the last token.
    """

    keys: tuple[Array, ...]
    values: tuple[Array, ...]
    ancestors: Array
    memory: Array

    def take_beams(self, parents: Int[Array, 'B N']) -> 'DecoderCache':
        """The cache of beams that continue `parents`."""
        return self.replace(
            ancestors=jnp.take_along_axis(self.ancestors, parents[:, :, None], axis=1),
            memory=jnp.take_along_axis(self.memory, parents[:, :, None, None], axis=1),
        )


class ModulationMLP(nn.Module):
    """The memory's correction of one of the MCLN's parameters: Linear(S D, D), ReLU, Linear(D, D)."""

    width: int
    dtype: Any
    param_dtype: Any

    @nn.compact
    def __call__(self, memory):
        options = dict(
            kernel_init=xavier_uniform,
            bias_init=nn.initializers.constant(0.1),
            dtype=self.dtype,
            param_dtype=self.param_dtype,
        )
        hidden = nn.relu(linear(memory.shape[-1], self.width, name='inner', **options)(memory))
        return linear(self.width, self.width, name='outer', **options)(hidden)


class MCLN(nn.Module):
    """(gamma + MLP_g(M)) * (x - mean) / (std + eps) + (beta + MLP_b(M)); `x` [..., D], `memory` [..., S * D].

    A memory without slots corrects nothing: this is then a plain LayerNorm.
    """

    width: int
    dtype: Any
    param_dtype: Any

    @nn.compact
    def __call__(self, x, memory):
        gamma = self.param('gamma', nn.initializers.ones, (self.width,), self.param_dtype)
        beta = self.param('beta', nn.initializers.zeros, (self.width,), self.param_dtype)
        if memory.shape[-1]:
            gamma = gamma + ModulationMLP(self.width, self.dtype, self.param_dtype, name='mlp_gamma')(memory)
            beta = beta + ModulationMLP(self.width, self.dtype, self.param_dtype, name='mlp_beta')(memory)
        return (gamma * standardise(x) + beta).astype(self.dtype)


class DecoderLayer(nn.Module):
    """Self-attention, cross-attention and feed-forward, each behind an MCLN and with a residual after dropout."""

    width: int
    feed_forward: int
    heads: int
    dropout: float
    dtype: Any
    param_dtype: Any

    def setup(self):
        dtypes = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.self_attention = MultiHeadAttention(self.width, self.heads, self.dropout, **dtypes)
        self.cross_attention = MultiHeadAttention(self.width, self.heads, self.dropout, **dtypes)
        self.feed_forward_block = FeedForward(self.width, self.feed_forward, self.dropout, **dtypes)
        self.norm1, self.norm2, self.norm3 = (MCLN(self.width, **dtypes) for _ in range(3))
        self.drop = Dropout(self.dropout)

    def read(self, x, memory, cross, *, train: bool):
        """The sublayers after self-attention. Returns the output and the cross-attention [..., H, L, P]."""
        mixed, attention = self.cross_attention.attend(self.norm2(x, memory), *cross, train=train)
        x = x + self.drop(mixed, deterministic=not train)
        mixed = self.feed_forward_block(self.norm3(x, memory), train=train)
        return x + self.drop(mixed, deterministic=not train), attention

    def __call__(self, x, memory, cross, mask, *, train: bool):
        """All tokens at once: `x` [B, L, D], `memory` [B, L, S * D], `mask` [B, L, L]."""
        normed = self.norm1(x, memory)
        mixed, _ = self.self_attention(normed, normed, mask, train=train)
        return self.read(x + self.drop(mixed, deterministic=not train), memory, cross, train=train)

    def step(self, x, memory, cross, keys, values, position, own):
        """One token of each beam: `x` [B, N, D], `memory` [B, N, S * D], keys and values as in `DecoderCache`.

        `own` [B, N, L * N] says which cached tokens belong to a beam.
        Returns the output [B, N, D], the cross-attention [B, H, N, P] and the two caches with the new token in.
        """
        normed = self.norm1(x, memory)
        new_key, new_value = self.self_attention.keys_values(normed)
        start = position * x.shape[1]
        keys = lax.dynamic_update_slice_in_dim(keys, new_key, start, axis=3)
        values = lax.dynamic_update_slice_in_dim(values, new_value, start, axis=2)
        mixed, _ = self.self_attention.attend(normed, keys, values, mask=own, train=False)
        x, attention = self.read(x + mixed, memory, cross, train=False)
        return x, attention, keys, values


class Decoder(nn.Module):
    """`layers` decoder layers and a final plain LayerNorm.

    With `map_bias`, the last cross-attention's scores get a learned multiple, one a head and 0 at the start, of the
    logarithm of a map of the visual tokens.
    """

    width: int
    feed_forward: int
    heads: int
    layers: int
    dropout: float
    map_bias: bool = False
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32

    def setup(self):
        if self.map_bias:
            self.map_gain = self.param('map_gain', nn.initializers.zeros, (self.heads,), self.param_dtype)
        self.blocks = [
            DecoderLayer(
                self.width, self.feed_forward, self.heads, self.dropout, self.dtype, self.param_dtype, name=f'layer{i}'
            )
            for i in range(self.layers)
        ]
        self.norm = LayerNorm(self.dtype, self.param_dtype)

    def cross_projections(
        self,
        encoded: Float[Array, 'B P D'],
        visual_map: Float[Array, 'B P'] | None,
        there: Bool[Array, 'B P'] | None = None,
    ):
        """Every layer's cross-attention keys [B, H, K, P] and values [B, H, P, K]: computed once, shared by all beams.

        The scores' bias [B, H, 1, P] comes with them where there is one: `map_bias` makes one in the last layer, and
        tokens that are not `there` are masked in all.
        """
        hidden = () if there is None else (jnp.where(there, 0.0, MASKED_SCORE)[:, None, None],)
        projections = [(*block.cross_attention.keys_values(encoded), *hidden) for block in self.blocks]
        if self.map_bias:
            logarithm = jnp.log(lax.stop_gradient(visual_map) + MAP_FLOOR)
            bias = self.map_gain[:, None, None] * logarithm[:, None, None]
            keys, values, *hidden = projections[-1]
            projections[-1] = keys, values, sum(hidden, bias)
        return projections

    def __call__(self, embedded, memory, encoded, mask, visual_map=None, there=None, *, train: bool):
        """Teacher-forced pass (equation 4). Returns [B, L, D] and the last layer's cross-attention [B, H, L, P]."""
        x = embedded
        for block, cross in zip(self.blocks, self.cross_projections(encoded, visual_map, there), strict=True):
            x, attention = block(x, memory, cross, mask, train=train)
        return self.norm(x), attention

    def step(self, embedded, memory, cross, cache: DecoderCache, position):
        """One token of each beam: `embedded` [B, N, D], its new `memory` [B, N, S, D].

        Returns the output [B, N, D], the last layer's cross-attention [B, H, N, P] and the new cache.
        """
        beams = jnp.arange(embedded.shape[1])
        ancestors = cache.ancestors.at[:, :, position].set(beams)
        own = rearrange(ancestors[..., None] == beams, 'B N L M -> B N (L M)')
        flat = rearrange(memory, 'B N S D -> B N (S D)')
        x, keys, values = embedded, [], []
        for block, *layer in zip(self.blocks, cross, cache.keys, cache.values, strict=True):
            x, attention, key, value = block.step(x, flat, *layer, position, own)
            keys.append(key)
            values.append(value)
        return self.norm(x), attention, DecoderCache(tuple(keys), tuple(values), ancestors, memory)
