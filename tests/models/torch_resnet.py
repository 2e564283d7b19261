"""What PyTorch computes with a small ResNet: `python tests/models/torch_resnet.py` writes resnet.npz beside this file.

The functional form of torchvision's network. Running needs PyTorch (the values here are from 2.13, CPU, float64); the
tests take the names and the drawn weights from here, and the values from the file.
"""

import zlib
from pathlib import Path

import numpy as np

VALUES = Path(__file__).with_name('resnet.npz')
BLOCKS, STEM = (2, 1), 4
NORM_PARTS = 'weight', 'bias', 'running_mean', 'running_var'
KEPT = 'bn1.running_mean', 'bn1.running_var', 'layer1.1.bn2.running_var', 'layer2.0.downsample.1.running_mean'


def shapes() -> dict[str, tuple[int, ...]]:
    """The arrays of the network by torchvision's names."""
    found = {'conv1.weight': (STEM, 3, 7, 7), **norm('bn1', STEM)}
    channels = STEM
    for stage, units in enumerate(BLOCKS):
        width = STEM * 2**stage
        for unit in range(units):
            name = f'layer{stage + 1}.{unit}'
            sizes = (width, channels, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1)
            for number, size in enumerate(sizes, start=1):
                found |= {f'{name}.conv{number}.weight': size, **norm(f'{name}.bn{number}', size[0])}
            if unit == 0:
                found |= {
                    f'{name}.downsample.0.weight': (4 * width, channels, 1, 1),
                    **norm(f'{name}.downsample.1', 4 * width),
                }
            channels = 4 * width
    return found


def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    """The arrays of a BatchNorm."""
    return {f'{name}.{part}': (channels,) for part in NORM_PARTS}


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Weights that depend on the name alone."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return rng.normal(size=shape) / np.prod(shape[1:]) ** 0.5 if shape[1:] else rng.uniform(0.5, 1.5, shape)


def films() -> np.ndarray:
    """[B, I, height, width, 3]."""
    return np.random.default_rng(0).normal(size=(2, 2, 32, 32, 3))


def features(x, weights, train: bool):
    """One view [B, 3, height, width] through the network; in training, running statistics change in place."""
    import torch.nn.functional as F

    def norm(x, name):
        scale, bias, mean, var = (weights[f'{name}.{part}'] for part in NORM_PARTS)
        return F.batch_norm(x, mean, var, scale, bias, training=train)

    x = F.conv2d(x, weights['conv1.weight'], stride=2, padding=3)
    x = F.max_pool2d(F.relu(norm(x, 'bn1')), 3, 2, 1)
    for stage, units in enumerate(BLOCKS):
        for unit in range(units):
            name, stride = f'layer{stage + 1}.{unit}', 2 if stage and unit == 0 else 1
            y = F.relu(norm(F.conv2d(x, weights[f'{name}.conv1.weight']), f'{name}.bn1'))
            y = F.conv2d(y, weights[f'{name}.conv2.weight'], stride=stride, padding=1)
            y = norm(F.conv2d(F.relu(norm(y, f'{name}.bn2')), weights[f'{name}.conv3.weight']), f'{name}.bn3')
            if unit == 0:
                x = norm(F.conv2d(x, weights[f'{name}.downsample.0.weight'], stride=stride), f'{name}.downsample.1')
            x = F.relu(x + y)
    return x


def main() -> None:
    """Both views one after the other, first in evaluation, then in training."""
    import torch

    weights = {name: torch.tensor(draw(name, shape)) for name, shape in shapes().items()}
    views = torch.tensor(films()).permute(1, 0, 4, 2, 3)
    found = {
        mode: torch.stack([features(view, weights, mode == 'training') for view in views]).permute(1, 0, 3, 4, 2)
        for mode in ('evaluation', 'training')
    }
    np.savez_compressed(VALUES, **found, **{name: weights[name] for name in KEPT})


if __name__ == '__main__':
    main()
