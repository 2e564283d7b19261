"""Batch normalisation as PyTorch computes it, view by view, for the visual extractors.

B studies, I views, C channels; image axes are height and width. Views stay a separate axis: in training every view is
normalised on its own and updates the running statistics once, in order, which is what running the views through the
network one after the other does.
Statistics are float32 at least; what is saved for the backward pass has the precision of the maps.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from camanet_jax import sharding
from camanet_jax.models.layers import widened

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9  # PyTorch writes the same as 0.1


def moments(x: Float[Array, 'B I height width C']) -> Float[Array, '2 I C']:
    """Mean and biased variance of every view and channel over the studies of all devices, in at least float32."""
    means, variances = jnp.moveaxis(sharding.gather(own_moments(x)), 1, 0)  # --> [devices, I, C]
    mean = means.mean(0)
    return jnp.stack([mean, (variances + jnp.square(means - mean)).mean(0)])


@jax.custom_vjp
def own_moments(x: Float[Array, 'B I height width C']) -> Float[Array, '2 I C']:
    """Mean and biased variance of every view and channel over this device's studies."""
    x = widened(x)
    mean = x.mean((0, 2, 3))
    variance = jnp.square(x - mean[:, None, None]).mean((0, 2, 3))
    return jnp.stack([mean, variance])


def own_moments_forward(x):
    """Saves the input as it is: left to itself, JAX would save its distances from the mean, in float32."""
    result = own_moments(x)
    return result, (x, result[0])


def own_moments_backward(saved, gradient):
    """Gradient through mean and variance; the variance's through the mean is 0, as distances from it add up to 0."""
    x, mean = saved
    of_mean, of_variance = gradient[:, :, None, None] / (x.size / mean.size)
    return ((of_mean + 2 * of_variance * (widened(x) - mean[:, None, None])).astype(x.dtype),)


own_moments.defvjp(own_moments_forward, own_moments_backward)


@jax.custom_vjp
def affine(
    x: Float[Array, 'B I height width C'], slope: Float[Array, 'I C'], offset: Float[Array, 'I C']
) -> Float[Array, 'B I height width C']:
    """x * slope + offset, computed in the precision of the slope."""
    return (x.astype(slope.dtype) * slope[:, None, None] + offset[:, None, None]).astype(x.dtype)


def affine_forward(x, slope, offset):
    """Saves the input as it is: left to itself, JAX would save it in the slope's precision."""
    return affine(x, slope, offset), (x, slope)


def affine_backward(saved, gradient):
    """Gradients by input, slope and offset."""
    x, slope = saved
    wide = gradient.astype(slope.dtype)
    return (
        (wide * slope[:, None, None]).astype(x.dtype),
        (wide * x.astype(slope.dtype)).sum((0, 2, 3)),
        wide.sum((0, 2, 3)),
    )


affine.defvjp(affine_forward, affine_backward)


@jax.custom_vjp
def relu(x: Array) -> Array:
    """max(x, 0)."""
    return jnp.maximum(x, 0)


def relu_forward(x):
    """Saves the output, which the next product saves too: left to itself, JAX would save a mask too."""
    output = relu(x)
    return output, output


def relu_backward(output, gradient):
    """Gradient by the input; 0 where the input was not above 0."""
    return (jnp.where(output > 0, gradient, 0),)


relu.defvjp(relu_forward, relu_backward)


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
                count = sharding.devices_sharing() * x.size // (x.shape[1] * channels)  # the moments are global
                running_mean.value = update_running(running_mean.value, mean)
                running_var.value = update_running(running_var.value, variance * (count / max(count - 1, 1)))
        else:
            mean, variance = running_mean.value[None], running_var.value[None]
        slope = scale * lax.rsqrt(variance + BATCH_NORM_EPSILON)  # [I or 1, C]
        offset = bias - mean * slope
        per_view = x.shape[1], channels
        return affine(x, jnp.broadcast_to(slope, per_view), jnp.broadcast_to(offset, per_view))


def update_running(running: Float[Array, ' C'], views: Float[Array, 'I C']) -> Float[Array, ' C']:
    """Running statistics after each view's batch in turn."""
    for value in views:
        running = BATCH_NORM_MOMENTUM * running + (1 - BATCH_NORM_MOMENTUM) * lax.stop_gradient(value)
    return running
