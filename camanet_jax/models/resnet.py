"""ResNet-101 as a visual extractor (He et al., CVPR 2016; R2Gen's, and a choice of the authors' program).

B studies, I views, C channels; image axes are height and width. The network is torchvision's, which strides in the 3x3
convolution of a bottleneck, up to and without the pooling.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from camanet_jax.models.batch_norm import BatchNorm, moments, relu
from camanet_jax.models.cpu import conv_general_dilated, max_pool

EXPANSION = 4  # the output of a bottleneck is this many times as wide as its 3x3 convolution
conv_init = nn.initializers.variance_scaling(2.0, 'fan_out', 'normal')
conv = partial(nn.Conv, use_bias=False, kernel_init=conv_init, conv_general_dilated=conv_general_dilated)
# Not with DenseNet's `dot_general`: on these wider kernels it is slower on CPU (docs/scaling.md).
dense = partial(nn.Dense, use_bias=False, kernel_init=conv_init)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution, each with BatchNorm, and the shortcut."""

    width: int  # channels of the 3x3 convolution
    stride: int  # of the 3x3 convolution
    project: bool  # whether a 1x1 convolution fits the shortcut to the output
    dtype: Any
    param_dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, 'B I height width C_in'], *, train: bool):
        """Returns [B, I, height / stride, width / stride, 4 * width]."""
        dtypes = dict(dtype=self.dtype, param_dtype=self.param_dtype)

        def norm(x, name):
            return BatchNorm(self.param_dtype, name=name)(x, moments(x) if train else None, train=train)

        # 1x1 convolutions are matrix products; XLA's CPU backend runs them faster written as such.
        y = relu(norm(dense(self.width, name='conv1', **dtypes)(x), 'bn1'))
        y = conv(self.width, (3, 3), strides=self.stride, padding=1, name='conv2', **dtypes)(y)
        y = relu(norm(y, 'bn2'))
        y = norm(dense(EXPANSION * self.width, name='conv3', **dtypes)(y), 'bn3')
        if self.project:
            x = x[:, :, :: self.stride, :: self.stride]
            x = norm(dense(EXPANSION * self.width, name='downsample_conv', **dtypes)(x), 'downsample_bn')
        return relu(x + y)


class ResNet(nn.Module):
    """ResNet features; the defaults are ResNet-101 (32-fold smaller maps, 2048 channels)."""

    blocks: Sequence[int] = (3, 4, 23, 3)  # bottlenecks of each stage
    stem: int = 64  # channels of the first convolution, and width of the first stage; each later stage doubles it
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32

    @property
    def channels(self) -> int:
        """C, the number of channels of the features."""
        return EXPANSION * self.stem * 2 ** (len(self.blocks) - 1)

    @nn.compact
    def __call__(self, images: Float[Array, 'B I height width 3'], *, train: bool):
        """Returns features [B, I, height / 32, width / 32, C] (with four stages)."""
        dtypes = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = conv(self.stem, (7, 7), strides=2, padding=3, name='conv1', **dtypes)(images)
        x = max_pool(relu(BatchNorm(self.param_dtype, name='bn1')(x, moments(x) if train else None, train=train)))
        for stage, units in enumerate(self.blocks):
            for unit in range(units):
                stride = 2 if stage and unit == 0 else 1  # the first stage follows the pooling
                name = f'stage{stage + 1}_unit{unit}'
                x = Bottleneck(self.stem * 2**stage, stride, unit == 0, name=name, **dtypes)(x, train=train)
        return x
