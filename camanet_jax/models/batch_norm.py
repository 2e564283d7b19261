"""Batch normalisation as PyTorch computes it, view by view: of the visual extractors.

B studies, I views, C channels; image axes are height and width. Views stay a separate axis: in training every view is
normalised by itself and updates the running statistics once, in order, which is what running the views through the
network one after the other does.
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9  # PyTorch writes the same as 0.1


def moments(x: Float[Array, 'B I height width C']) -> Float[Array, '2 I C']:
    """Mean and biased variance of every view and channel, in at least float32."""
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    mean = x.mean((0, 2, 3))
    variance = jnp.square(x - mean[:, None, None]).mean((0, 2, 3))
    return jnp.stack([mean, variance])


class BatchNorm(nn.Module):
    """PyTorch's BatchNorm: biased variance to normalise, unbiased variance in the running statistics."""

    param_dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, batch_moments=None, *, train: bool):
        """Normalises `x` [B, I, height, width, C]; `batch_moments` [2, I, C] are needed when training."""
        channels = x.shape[-1]
        scale = self.param('scale', nn.initializers.ones, (channels,), self.param_dtype)
        bias = self.param('bias', nn.initializers.zeros, (channels,), self.param_dtype)
        running_mean = self.variable('batch_stats', 'mean', jnp.zeros, (channels,), self.param_dtype)
        running_var = self.variable('batch_stats', 'var', jnp.ones, (channels,), self.param_dtype)
        if train:
            mean, variance = batch_moments
            if not self.is_initializing():
                count = x.size // (x.shape[1] * channels)
                running_mean.value = update_running(running_mean.value, mean)
                running_var.value = update_running(running_var.value, variance * (count / max(count - 1, 1)))
        else:
            mean, variance = running_mean.value[None], running_var.value[None]
        slope = scale * lax.rsqrt(variance + BATCH_NORM_EPSILON)  # [I or 1, C]
        offset = bias - mean * slope
        wide = x.astype(slope.dtype) * slope[:, None, None] + offset[:, None, None]
        return wide.astype(x.dtype)


def update_running(running: Float[Array, ' C'], views: Float[Array, 'I C']) -> Float[Array, ' C']:
    """Running statistics after each view's batch in turn."""
    for value in views:
        running = BATCH_NORM_MOMENTUM * running + (1 - BATCH_NORM_MOMENTUM) * lax.stop_gradient(value)
    return running
