"""Building blocks of the encoder and decoder: linear layers, LayerNorm, attention, feed-forward.

B studies, L report tokens (any sequence here), D width, F feed-forward, H heads, K head size.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from einops import rearrange
from flax import linen as nn
from jaxtyping import Array, Float

from camanet_jax import sharding
from camanet_jax.models import int8

LAYER_NORM_EPSILON = 1e-6  # added to the standard deviation, not to the variance
MASKED_SCORE = -1e9
xavier_uniform = nn.initializers.xavier_uniform()
EXACT = jax.lax.Precision.HIGHEST  # of products that choose words, classes or maps, whatever the model's setting


def symmetric_uniform(bound: float) -> Callable:
    """Initialiser U(-bound, bound)."""

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


def widened(x: Array) -> Array:
    """Casts to at least float32."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def at_own_precision(method: Callable) -> Callable:
    """Lets a module's `matmul_precision`, where it has one, hold for a method's products and their gradients."""

    @functools.wraps(method)
    def run(self, *args, **kwargs):
        with jax.default_matmul_precision(self.matmul_precision or jax.config.jax_default_matmul_precision):
            return method(self, *args, **kwargs)

    return run


class Linear(nn.Module):
    """x W + b; W may be rounded (`int8.with_rounded_kernels`).

    The bias is added, and its gradient summed, in at least float32: a sum in bfloat16 stops growing.
    """

    features: int
    kernel_init: Callable
    bias_init: Callable
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    precision: Any = None

    @nn.compact
    def __call__(self, x):
        kernel = self.param('kernel', self.kernel_init, (x.shape[-1], self.features), self.param_dtype)
        bias = self.param('bias', self.bias_init, (self.features,), self.param_dtype)
        rounded = self.get_variable(int8.COLLECTION, 'kernel')
        if rounded is None:
            product = jnp.matmul(x.astype(self.dtype), kernel.astype(self.dtype), precision=self.precision)
        else:
            product = int8.product(x, rounded)
        return (widened(product) + bias).astype(self.dtype)


def linear(fan_in: int, features: int, *, kernel_init=None, bias_init=None, **kwargs) -> Linear:
    """Linear layer with PyTorch's default initialisation, U(+-1/sqrt(fan_in)), where none is given."""
    default = symmetric_uniform(fan_in**-0.5)
    return Linear(features, kernel_init or default, bias_init or default, **kwargs)


def standardise(x: Float[Array, '... D']) -> Float[Array, '... D']:
    """(x - mean) / (std + 1e-6) over the last axis, with the unbiased standard deviation, in at least float32."""
    x = widened(x)
    centred = x - x.mean(-1, keepdims=True)
    variance = jnp.square(centred).sum(-1, keepdims=True) / (x.shape[-1] - 1)
    # A constant row (an empty VDM) has no spread: its gradient through the root is 0, not 0 * inf.
    spread = variance > 0
    std = jnp.where(spread, jnp.sqrt(jnp.where(spread, variance, 1)), 0)
    return centred / (std + LAYER_NORM_EPSILON)


class LayerNorm(nn.Module):
    """gamma * (x - mean) / (std + eps) + beta; the standard deviation is unbiased, and eps is added to it."""

    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        gamma = self.param('gamma', nn.initializers.ones, (x.shape[-1],), self.param_dtype)
        beta = self.param('beta', nn.initializers.zeros, (x.shape[-1],), self.param_dtype)
        return (gamma * standardise(x) + beta).astype(self.dtype)


class Dropout(nn.Module):
    """Zeroes a share `rate` of the values in training and scales the others up; the first axis is studies.

    Every study draws by its index in the global batch, so that the masks are the same however devices share it.
    """

    rate: float

    def __call__(self, x, *, deterministic: bool):
        return self.drop(x, self.draw(x.shape, deterministic=deterministic))

    def draw(self, shape: tuple[int, ...], *, deterministic: bool) -> Array | None:
        """Mask of the values that stay; None where all do."""
        if deterministic or self.rate == 0:
            return None
        keys = sharding.study_keys(self.make_rng('dropout'), shape[0])
        return jax.vmap(lambda key: jax.random.bernoulli(key, 1 - self.rate, shape[1:]))(keys)

    def drop(self, x: Array, kept: Array | None) -> Array:
        """Applies a mask that `draw` made."""
        return x if kept is None else jnp.where(kept, x / (1 - self.rate), 0)


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention; projections are separate methods so that a cache can hold their results."""

    width: int
    heads: int
    dropout: float = 0.1
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32

    def setup(self):
        options = dict(kernel_init=xavier_uniform, dtype=self.dtype, param_dtype=self.param_dtype)
        self.query, self.key, self.value, self.out = (linear(self.width, self.width, **options) for _ in range(4))
        self.attention_dropout = Dropout(self.dropout)

    def split(self, x):
        return rearrange(x, '... L (H K) -> ... H L K', H=self.heads)

    def keys_values(self, x):
        """Keys [..., H, K, L] and values [..., H, L, K] of a sequence [..., L, D], as `attend` reads them uncopied."""
        return rearrange(self.key(x), '... L (H K) -> ... H K L', H=self.heads), self.split(self.value(x))

    def attend(self, x, keys, values, bias=None, *, mask=None, kept=None, train: bool):
        """Attention of queries made from `x` [..., Q, D] over `keys` [..., H, K, L] and `values` [..., H, L, K].

        `bias` broadcasts to [..., H, Q, L] and is added to the scores; `mask` to [..., Q, L], True where attention is
        allowed. `kept` is the dropout's mask where it was drawn before.
        Returns the output [..., Q, D] and the probabilities [..., H, Q, L] after dropout, in at least float32.
        """
        queries = self.split(self.query(x))
        scores = jnp.einsum('...hqk,...hkl->...hql', queries, keys) * (self.width // self.heads) ** -0.5
        scores = widened(scores)
        if bias is not None:
            scores = scores + bias
        if mask is not None:
            scores = jnp.where(jnp.expand_dims(mask, -3), scores, MASKED_SCORE)
        if kept is None:
            kept = self.attention_dropout.draw(scores.shape, deterministic=not train)
        probabilities = self.attention_dropout.drop(jax.nn.softmax(scores, axis=-1), kept)
        mixed = jnp.einsum('...hql,...hlk->...hqk', probabilities.astype(self.dtype), values)
        return self.out(rearrange(mixed, '... H Q K -> ... Q (H K)')), probabilities

    def __call__(self, x, context, mask=None, *, train: bool):
        return self.attend(x, *self.keys_values(context), mask=mask, train=train)


class FeedForward(nn.Module):
    """Linear(D, F), ReLU, dropout, Linear(F, D)."""

    width: int
    feed_forward: int
    dropout: float = 0.1
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train: bool):
        options = dict(kernel_init=xavier_uniform, dtype=self.dtype, param_dtype=self.param_dtype)
        x = nn.relu(linear(self.width, self.feed_forward, name='inner', **options)(x))
        x = Dropout(self.dropout)(x, deterministic=not train)
        return linear(self.feed_forward, self.width, name='outer', **options)(x)
