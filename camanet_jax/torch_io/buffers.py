"""The entries of an official state dict that no variable of ours corresponds to, and the order of its names.

These are a second name of the discriminative norm, a counter beside every running variance, and the position code as
the official program computes it, in float32.
"""

import math
import re
from collections.abc import Iterable, Mapping

import numpy as np

from camanet_jax.torch_io.weight_names import IGNORED

ALIAS, ALIASED = 'fore_back_learn.fore_norm.', 'fore_back_learn.norm.'
COUNTER = '.num_batches_tracked'
EMBEDDING, POSITION_CODE = 'encoder_decoder.model.tgt_embed.0.lut.weight', 'encoder_decoder.model.tgt_embed.1.pe'
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


def buffers_of(state_dict: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a complete checkpoint that cannot be restored from our variables.

    Raises:
      ValueError: some are missing, the two names of one norm differ, or the position code is not the sinusoidal one.
    """
    if problems := [*alias_problems(state_dict), *counter_problems(state_dict), *code_problems(state_dict)]:
        raise ValueError('The checkpoint is damaged, or of another program:\n  ' + '\n  '.join(problems))
    return {name: value for name, value in state_dict.items() if IGNORED.search(name) and not name.startswith(ALIAS)}


def alias_problems(state_dict: Mapping[str, np.ndarray]) -> list[str]:
    """Second names of the norm that are missing, or under which another array lies."""
    names = {name: name.replace(ALIASED, ALIAS) for name in state_dict if name.startswith(ALIASED)}
    return [
        f'{alias} is missing, or differs from {name}, of which it is another name'
        for name, alias in names.items()
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


def code_problems(state_dict: Mapping[str, np.ndarray]) -> list[str]:
    """Faults of the position code."""
    code, width = state_dict.get(POSITION_CODE), state_dict[EMBEDDING].shape[1]
    if code is None:
        return [f'{POSITION_CODE} is missing']
    if code.ndim == 3 and code.size and code.shape == (1, code.shape[1], width):
        if np.abs(code.astype(np.float64) - position_code(*code.shape[1:])).max() < POSITION_CODE_TOLERANCE:
            return []
    return [f'{POSITION_CODE}, shape {code.shape}, is not the sinusoidal position code']


def same(value: np.ndarray, other: np.ndarray | None) -> bool:
    """Tells whether two arrays are equal bit for bit."""
    return other is not None and value.shape == other.shape and value.tobytes() == other.tobytes()


def fresh_buffers(weights: Mapping[str, np.ndarray], batches_seen: int) -> dict[str, np.ndarray]:
    """The buffers that the official program would hold beside these weights after so many training batches."""
    counters = {name: np.array(batches_seen, np.int64) for name in counter_names(weights)}
    return counters | {POSITION_CODE: position_code(POSITIONS, weights[EMBEDDING].shape[1])}


def complete_state_dict(weights: Mapping[str, np.ndarray], buffers: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights (`weight_names.state_dict`) and buffers as one official state dict, in its order."""
    aliases = {name.replace(ALIASED, ALIAS): value for name, value in weights.items() if name.startswith(ALIASED)}
    whole = {**weights, **buffers, **aliases}
    return {name: whole[name] for name in sorted(whole, key=official_order)}
