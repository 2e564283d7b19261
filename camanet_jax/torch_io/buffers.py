"""The entries of an official state dict that no variable of ours corresponds to, and the order of its names.

These are a second name of the discriminative norm, a counter beside every running variance, and the position code as
the official program computes it, in float32.
"""

import math
import re
from collections.abc import Iterable, Mapping

import numpy as np

from camanet_jax.torch_io.weight_names import CAMANET, Naming

COUNTER = '.num_batches_tracked'
POSITIONS = 5000
# float32 angles of up to 5000 radians differ by 5e-4 between programs; half precision and bfloat16 round by up to 2e-3.
POSITION_CODE_TOLERANCE = 5e-3

# The parts of names, siblings in the order in which the official program defines them; numbers sort as numbers.
PARTS = [
    'visual_extractor fore_back_learn encoder_decoder logit_scale att_embed proj_image_clip proj_text_clip',
    'model head logit encoder decoder tgt_embed rm attn mlp W U linears layers self_attn src_attn feed_forward',
    'w_1 w_2 sublayer conv0 norm0',
    *(f'denseblock{number} transition{number}' for number in range(1, 10)),
    'norm1 conv1 bn1 norm2 conv2 bn2 conv3 bn3 downsample norm5 norm fore_norm back_norm conv',
    'gamma beta mlp_gamma mlp_beta weight bias running_mean running_var num_batches_tracked',
]
ORDER = {part: rank for rank, part in enumerate(' '.join(PARTS).split())}


def official_order(name: str) -> tuple[int, ...]:
    """A sort key: the order of names in the official program's state dict."""
    return tuple(ORDER.get(part, int(re.sub(r'\D', '', part) or 0)) for part in name.split('.'))


def position_code(length: int, width: int) -> np.ndarray:
    """The sinusoidal code, float32 [1, L, D]; every operation rounds to float32, as in the official program."""
    position = np.arange(length, dtype=np.float32)[:, None]
    factor = np.float32(-(math.log(10000.0) / width))
    angles = position * np.exp(np.arange(0, width, 2, dtype=np.float32) * factor)
    return np.stack([np.sin(angles), np.cos(angles)], -1).reshape(1, length, width)


def buffers_of(state_dict: Mapping[str, np.ndarray], naming: Naming = CAMANET) -> dict[str, np.ndarray]:
    """The arrays of a complete checkpoint that cannot be restored from our variables.

    Raises:
      ValueError: some are missing, the two names of one array differ, or a position code is not the sinusoidal one.
    """
    problems = alias_problems(state_dict, naming), counter_problems(state_dict), code_problems(state_dict, naming)
    if any(problems):
        raise ValueError('The checkpoint is damaged, or of another program:\n  ' + '\n  '.join(sum(problems, [])))
    return {
        name: value
        for name, value in state_dict.items()
        if name in naming.position_codes or re.search(naming.ignored, name)
    }


def alias_problems(state_dict: Mapping[str, np.ndarray], naming: Naming) -> list[str]:
    """Second names that are missing, or under which another array lies."""
    return [
        f'{alias} is missing, or differs from {name}, of which it is another name'
        for alias, name in naming.second_names(state_dict).items()
        if not same(state_dict[name], state_dict.get(alias))
    ]


def counter_problems(state_dict: Mapping[str, np.ndarray]) -> list[str]:
    """Missing counters, where there are others; early releases of PyTorch counted nothing."""
    if not any(name.endswith(COUNTER) for name in state_dict):
        return []
    return [f'{name} is missing' for name in counter_names(state_dict) if name not in state_dict]


def counter_names(names: Iterable[str]) -> list[str]:
    """The counter beside every running variance."""
    return [name.replace('.running_var', COUNTER) for name in names if name.endswith('.running_var')]


def code_problems(state_dict: Mapping[str, np.ndarray], naming: Naming) -> list[str]:
    """Faults of the position codes."""
    codes = {name: state_dict.get(name) for name in naming.position_codes}
    missing = [f'{name} is missing' for name, code in codes.items() if code is None]
    return missing + [
        f'{name}, shape {code.shape}, is not the sinusoidal position code'
        for name, code in codes.items()
        if code is not None and not is_position_code(code, state_dict[naming.name('embedding/embedding')].shape[1])
    ]


def same(value: np.ndarray, other: np.ndarray | None) -> bool:
    """Tells whether two arrays are equal bit for bit."""
    return other is not None and value.shape == other.shape and value.tobytes() == other.tobytes()


def is_position_code(code: np.ndarray, width: int) -> bool:
    """Tells whether this is the code [1, L, D] that the model adds, up to rounding."""
    if code.ndim != 3 or not code.size or code.shape != (1, code.shape[1], width):
        return False
    return bool(np.abs(code.astype(np.float64) - position_code(*code.shape[1:])).max() < POSITION_CODE_TOLERANCE)


def fresh_buffers(
    weights: Mapping[str, np.ndarray], batches_seen: int, naming: Naming = CAMANET
) -> dict[str, np.ndarray]:
    """The buffers that the official program would hold beside these weights after so many training batches."""
    counters = {name: np.array(batches_seen, np.int64) for name in counter_names(weights)}
    width = weights[naming.name('embedding/embedding')].shape[1]
    return counters | {name: position_code(POSITIONS, width) for name in naming.position_codes}


def complete_state_dict(
    weights: Mapping[str, np.ndarray], buffers: Mapping[str, np.ndarray], naming: Naming = CAMANET
) -> dict[str, np.ndarray]:
    """Weights (`weight_names.state_dict`) and buffers as one official state dict, in its order."""
    aliases = {alias: weights[name] for alias, name in naming.second_names(weights).items()}
    whole = {**weights, **buffers, **aliases}
    return {name: whole[name] for name in sorted(whole, key=official_order)}
