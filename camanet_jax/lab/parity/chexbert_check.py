"""CheXbert's network on given token ids, with weights drawn from the names and shapes of its manifest."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from camanet_jax.lab.parity.reference_weights import draw_state_dict, read_json
from camanet_jax.lab.parity.report import Arrays, Check, Report, load_arrays
from camanet_jax.lab.parity.rules import Close, Identical
from camanet_jax.lab.parity.tolerances import DOUBLE, SINGLE
from camanet_jax.torch_io.chexbert_weights import load_chexbert

INPUTS = ('input_ids', 'attention_mask')
WEIGHTS_SEED = 5


def check_chexbert(path: Path, where: str, report: Report, x64: bool):
    """The last layer's first token, all logits and the classes read off them; the manifest lies beside `path`."""
    arrays = load_arrays(path)
    shapes = read_json(path.with_name(f'{path.stem}_manifest.json'))
    values = chexbert_values(arrays, shapes, jnp.float64 if x64 else jnp.float32)
    # Values that were computed in float32 differ from those of float64 by their own rounding.
    exact = x64 and arrays['logits'].dtype == np.float64
    tolerance = (DOUBLE if exact else SINGLE).forward
    # A missing logit is NaN on both sides; where only one side lacks it, its value is the error.
    close = Close(tolerance, scale=largest_number, part=np.nan_to_num)
    rules = {'cls_hidden': Close(tolerance), 'logits': close, 'classes': Identical()}
    report.compare_file(where, arrays, {key: [Check(values[key], rule)] for key, rule in rules.items()}, INPUTS)


def chexbert_values(arrays: Arrays, shapes: dict[str, list[int]], dtype: Any) -> dict[str, np.ndarray]:
    """The network's values by the file's keys."""
    model, variables = load_chexbert(draw_state_dict(shapes, WEIGHTS_SEED), dtype)
    ids, mask = jnp.asarray(arrays['input_ids'], jnp.int32), jnp.asarray(arrays['attention_mask']) > 0
    with jax.default_matmul_precision('highest'):
        output = jax.jit(model.apply)(variables, ids, mask)
    logits = np.asarray(output.logits)
    return {
        'cls_hidden': np.asarray(output.first_token),
        'logits': np.where(np.isneginf(logits), np.nan, logits),
        'classes': logits.argmax(-1),
    }


def largest_number(reference: np.ndarray) -> np.ndarray:
    """One scale for an array: its largest magnitude, missing values left out."""
    return np.asarray(np.nanmax(np.abs(reference)) or 1.0)
