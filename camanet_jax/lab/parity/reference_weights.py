"""Weights drawn from names and shapes alone, so that reference values need no weight file.

Each parameter has a NumPy generator of its own, seeded by the folder's seed and the CRC-32 of the parameter's name in
the official checkpoint: the same 42 to 46 million numbers on every machine.
"""

import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

# Counters, position codes, and the second name of a norm.
NOT_DRAWN = re.compile(r'num_batches_tracked$|_embed\.\d\.pe$|^fore_back_learn\.fore_norm\.')
PROJECTION_SEED = 99
CLIP_TEMPERATURE = 0.07

Shape = tuple[int, ...]


def around_zero(drawn: np.ndarray, shape: Shape) -> np.ndarray:
    """Biases and running means."""
    return 0.1 * drawn


def around_one(drawn: np.ndarray, shape: Shape) -> np.ndarray:
    """Factors of norms."""
    return 1 + 0.1 * drawn


def scaled_matrix(gain: float) -> Callable[[np.ndarray, Shape], np.ndarray]:
    """A matrix [out, in] with standard deviation gain / sqrt(in)."""
    return lambda drawn, shape: drawn * (gain / math.sqrt(shape[1]))


# What is done to standard normal numbers: by the end of the parameter's name, then by the number of axes. The orders of
# the operations matter: every rounding is part of the rule.
RULES_BY_NAME = (
    ('.running_mean', around_zero),
    ('.running_var', lambda drawn, shape: np.exp(0.2 * drawn)),
    ('.gamma', around_one),
    ('.beta', around_zero),
    ('.logit_scale', lambda drawn, shape: np.asarray(math.log(1 / CLIP_TEMPERATURE), np.float32)),
    ('encoder_decoder.logit.weight', scaled_matrix(4)),
    ('visual_extractor.head.weight', scaled_matrix(2)),
    ('tgt_embed.0.lut.weight', lambda drawn, shape: drawn / math.sqrt(shape[1])),
)
RULES_BY_AXES = {
    4: lambda drawn, shape: drawn * math.sqrt(2 / math.prod(shape[1:])),
    2: lambda drawn, shape: drawn * math.sqrt(1 / shape[1]),
}


def draw(name: str, shape: Shape, seed: int) -> np.ndarray:
    """The float32 parameter `name` of the official checkpoint, in PyTorch's layout."""
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    drawn = generator.standard_normal(shape).astype(np.float32)
    one_axis = around_zero if name.endswith('.bias') else around_one
    rule = RULES_BY_AXES.get(len(shape), one_axis)
    return next((named for end, named in RULES_BY_NAME if name.endswith(end)), rule)(drawn, shape)


def draw_state_dict(
    shapes: Mapping[str, list[int]],
    seed: int,
    aliases: Mapping[str, str] = MappingProxyType({}),
    scaling: Sequence[Mapping[str, Any]] = (),
) -> dict[str, np.ndarray]:
    """All parameters and running statistics that a model reads, by the official checkpoint's names.

    Args:
      shapes: of the arrays by name. seed: the folder's.
      aliases: second names of a module, and the name by which each is drawn.
      scaling: rules in order: arrays whose name matches `name` become (array + `plus`) * `times`, in float32.
    """
    names = [name for name in shapes if not NOT_DRAWN.search(name)]
    drawn = {name: draw(aliases.get(name, name), tuple(shapes[name]), seed) for name in names}
    for rule in scaling:
        plus, times = np.float32(rule.get('plus', 0)), np.float32(rule.get('times', 1))
        drawn |= {name: (drawn[name] + plus) * times for name in names if re.search(rule['name'], name)}
    return drawn


def projection(name: str, array: np.ndarray) -> tuple[float, float]:
    """The L2 norm of `array` (PyTorch's layout) and its product with a random direction fixed by `name`."""
    generator = np.random.default_rng([PROJECTION_SEED, zlib.crc32(name.encode())])
    direction = generator.standard_normal(array.shape).astype(np.float32)
    exact = np.asarray(array, np.float64)
    return float(np.linalg.norm(exact)), float((exact * direction).sum())


def projections(names: list[str], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """`projection` of each name, [number of names, 2]; NaN for a name that `arrays` lacks."""
    return np.array([projection(name, arrays[name]) if name in arrays else (np.nan, np.nan) for name in names])
