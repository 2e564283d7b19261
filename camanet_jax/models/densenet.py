"""DenseNet-121, the visual extractor (Huang et al., CVPR 2017), as the paper uses it.

B studies, I views, C channels; image axes are height and width. Views stay a separate axis: in training,
BatchNorm normalises every view by itself and updates its running statistics once per view, in order,
which is what running the views through the network one after the other does.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from camanet_jax.models.pooling import max_pool

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9  # PyTorch writes the same as 0.1
conv_init = nn.initializers.variance_scaling(2.0, 'fan_in', 'normal')


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


class DenseLayer(nn.Module):
    """BN, ReLU, 1x1 convolution, BN, ReLU, 3x3 convolution: `growth` new channels."""

    growth: int
    bottleneck: int
    dtype: Any
    param_dtype: Any

    @nn.compact
    def __call__(self, x, x_moments, *, train: bool):
        kinds = dict(use_bias=False, kernel_init=conv_init, dtype=self.dtype, param_dtype=self.param_dtype)
        x = nn.relu(BatchNorm(self.param_dtype, name='norm1')(x, x_moments, train=train))
        # A 1x1 convolution is a matrix product; XLA's CPU backend runs it faster written as one.
        x = nn.Dense(self.bottleneck * self.growth, name='conv1', **kinds)(x)
        x = nn.relu(BatchNorm(self.param_dtype, name='norm2')(x, moments(x) if train else None, train=train))
        return nn.Conv(self.growth, (3, 3), padding=1, name='conv2', **kinds)(x)


class DenseBlock(nn.Module):
    """Layers that each read all channels made so far; the statistics of a channel are computed once."""

    layers: int
    growth: int
    bottleneck: int
    dtype: Any
    param_dtype: Any

    @nn.compact
    def __call__(self, x, *, train: bool):
        x_moments = moments(x) if train else None
        for i in range(self.layers):
            layer = DenseLayer(self.growth, self.bottleneck, self.dtype, self.param_dtype, name=f'layer{i + 1}')
            new = layer(x, x_moments, train=train)
            x = jnp.concatenate([x, new], axis=-1)
            if train:
                x_moments = jnp.concatenate([x_moments, moments(new)], axis=-1)
        return x, x_moments


class Transition(nn.Module):
    """Halves channels, height and width. Average pooling and a 1x1 convolution commute: pool first, it is cheaper."""

    dtype: Any
    param_dtype: Any

    @nn.compact
    def __call__(self, x, x_moments, *, train: bool):
        channels = x.shape[-1] // 2
        x = nn.relu(BatchNorm(self.param_dtype, name='norm')(x, x_moments, train=train))
        x = nn.avg_pool(x, (2, 2), strides=(2, 2))
        return nn.Dense(channels, use_bias=False, kernel_init=conv_init, name='conv',
                        dtype=self.dtype, param_dtype=self.param_dtype)(x)


class DenseNet(nn.Module):
    """DenseNet features with a final ReLU; the defaults are DenseNet-121 (32-fold smaller maps, 1024 channels).

    Attributes:
      blocks: layers of each dense block.
      growth: channels that each layer adds.
      stem: channels of the first convolution.
      bottleneck: width of the 1x1 convolutions, in units of `growth`.
    """

    blocks: Sequence[int] = (6, 12, 24, 16)
    growth: int = 32
    stem: int = 64
    bottleneck: int = 4
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32

    @property
    def channels(self) -> int:
        """C, the number of channels of the features."""
        channels = self.stem
        for i, layers in enumerate(self.blocks):
            channels = (channels // 2 if i else channels) + layers * self.growth
        return channels

    @nn.compact
    def __call__(self, images: Float[Array, 'B I height width 3'], *, train: bool):
        """Returns features [B, I, height / 32, width / 32, C] (with four blocks)."""
        x = nn.Conv(self.stem, (7, 7), strides=2, padding=3, use_bias=False, kernel_init=conv_init, name='conv0',
                    dtype=self.dtype, param_dtype=self.param_dtype)(images)
        x = nn.relu(BatchNorm(self.param_dtype, name='norm0')(x, moments(x) if train else None, train=train))
        x = max_pool(x)
        for i, layers in enumerate(self.blocks):
            block = DenseBlock(layers, self.growth, self.bottleneck, self.dtype, self.param_dtype,
                               name=f'block{i + 1}')
            x, x_moments = block(x, train=train)
            if i + 1 < len(self.blocks):
                x = Transition(self.dtype, self.param_dtype, name=f'transition{i + 1}')(x, x_moments, train=train)
        return nn.relu(BatchNorm(self.param_dtype, name='norm5')(x, x_moments, train=train))
