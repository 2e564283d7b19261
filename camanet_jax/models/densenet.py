"""DenseNet-121, the visual extractor (equation 1; Huang et al., CVPR 2017).

B studies, I views, C channels; image axes are height and width.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from camanet_jax.models.batch_norm import BatchNorm, moments, relu
from camanet_jax.models.cpu import conv_general_dilated, dot_general, max_pool

# `remat` keeps of a layer, apart from its inputs, the products, and the statistics, which cross between devices.
KEPT = jax.checkpoint_policies.save_only_these_names('kept')
kept = partial(checkpoint_name, name='kept')
conv_init = nn.initializers.variance_scaling(2.0, 'fan_in', 'normal')
conv = partial(nn.Conv, use_bias=False, kernel_init=conv_init, conv_general_dilated=conv_general_dilated)
dense = partial(nn.Dense, use_bias=False, kernel_init=conv_init, dot_general=dot_general)


class DenseLayer(nn.Module):
    """BN, ReLU, 1x1 convolution, BN, ReLU, 3x3 convolution: `growth` new channels."""

    growth: int
    bottleneck: int
    dtype: Any
    param_dtype: Any

    @nn.compact
    def __call__(self, maps, maps_moments, train: bool):
        """Reads all `maps` so far and `maps_moments`, their statistics; both are joined along channels here."""
        dtypes = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x, x_moments = jnp.concatenate(maps, -1), jnp.concatenate(maps_moments, -1) if train else None
        x = relu(BatchNorm(self.param_dtype, name='norm1')(x, x_moments, train=train))
        # A 1x1 convolution is a matrix product; XLA's CPU backend runs it faster written as one.
        x = kept(dense(self.bottleneck * self.growth, name='conv1', **dtypes)(x))
        x = relu(BatchNorm(self.param_dtype, name='norm2')(x, kept(moments(x)) if train else None, train=train))
        return conv(self.growth, (3, 3), padding=1, name='conv2', **dtypes)(x)


class DenseBlock(nn.Module):
    """Layers that each read all channels made so far; the statistics of a channel are computed once."""

    layers: int
    growth: int
    bottleneck: int
    dtype: Any
    param_dtype: Any
    remat: bool = False

    @nn.compact
    def __call__(self, x, *, train: bool):
        make_layer = nn.remat(DenseLayer, policy=KEPT, static_argnums=(3,)) if self.remat else DenseLayer  # `train`
        maps, maps_moments = [x], [moments(x)] if train else []
        for i in range(self.layers):
            layer = make_layer(self.growth, self.bottleneck, self.dtype, self.param_dtype, name=f'layer{i + 1}')
            maps.append(layer(maps, maps_moments, train))
            if train:
                maps_moments.append(moments(maps[-1]))
        return jnp.concatenate(maps, -1), jnp.concatenate(maps_moments, -1) if train else None


class Transition(nn.Module):
    """Halves channels, height and width. Average pooling and a 1x1 convolution commute: pool first, it is cheaper."""

    dtype: Any
    param_dtype: Any

    @nn.compact
    def __call__(self, x, x_moments, *, train: bool):
        x = relu(BatchNorm(self.param_dtype, name='norm')(x, x_moments, train=train))
        x = nn.avg_pool(x, (2, 2), strides=(2, 2))
        return dense(x.shape[-1] // 2, name='conv', dtype=self.dtype, param_dtype=self.param_dtype)(x)


class DenseNet(nn.Module):
    """DenseNet features with a final ReLU; the defaults are DenseNet-121 (32-fold smaller maps, 1024 channels).

    With `remat`, each map is kept once for the backward pass, which joins and normalises maps a second time (Pleiss et
    al., 2017, memory-efficient DenseNets); no convolution or product is repeated. XLA's CPU backend undoes it.
    """

    blocks: Sequence[int] = (6, 12, 24, 16)  # layers of each dense block
    growth: int = 32  # channels that each layer adds
    stem: int = 64  # channels of the first convolution
    bottleneck: int = 4  # width of the 1x1 convolutions, in units of `growth`
    remat: bool = False
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
        dtypes = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = conv(self.stem, (7, 7), strides=2, padding=3, name='conv0', **dtypes)(images)
        x = relu(BatchNorm(self.param_dtype, name='norm0')(x, moments(x) if train else None, train=train))
        x = max_pool(x)
        for i, layers in enumerate(self.blocks):
            block = DenseBlock(
                layers, self.growth, self.bottleneck, self.dtype, self.param_dtype, self.remat, name=f'block{i + 1}'
            )
            x, x_moments = block(x, train=train)
            if i + 1 < len(self.blocks):
                x = Transition(self.dtype, self.param_dtype, name=f'transition{i + 1}')(x, x_moments, train=train)
        return relu(BatchNorm(self.param_dtype, name='norm5')(x, x_moments, train=train))
