"""The Base system and the CLIP ablation, on the batch of the folder iu_xray beside their file."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from camanet_jax.lab.parity.conditioning import Method, Movement
from camanet_jax.lab.parity.model_checks import gradient_checks
from camanet_jax.lab.parity.model_folder import read_case, read_settings
from camanet_jax.lab.parity.model_values import Case, losses_and_gradients
from camanet_jax.lab.parity.reference_weights import draw_state_dict
from camanet_jax.lab.parity.report import Arrays, Check, Report, load_arrays
from camanet_jax.lab.parity.rules import SINGLE, Close, own_value
from camanet_jax.run.files import read_json

FILE, MANIFEST, BATCH_FOLDER = 'variants.npz', 'variants_manifest.json', 'iu_xray'
WEIGHTS_SEED = 0
SYSTEMS = {'base': {'vdmae': False, 'vtac': False}, 'clip': {'vtac': False, 'contrastive': True}}
CLIP_WEIGHT = 0.1


def check_variants(path: Path, where: str, report: Report, method: Method):
    """Compares log-probabilities, losses and gradients of both systems."""
    arrays = load_arrays(path)
    manifest = read_json(path.parent / MANIFEST)
    folder = path.parent / BATCH_FOLDER
    settings = read_settings(folder / 'reference.json')
    case = read_case(folder, settings, load_arrays(folder / 'reference.npz'), method.x64)
    checks, moved, left_out = {}, {}, []
    unit = method.unit(double=False)
    for system, fields in SYSTEMS.items():
        part = Arrays(
            FILE,
            {key.removeprefix(f'{system}/'): value for key, value in arrays.items() if key.startswith(f'{system}/')},
        )
        drawn = replace(case, weights=draw_state_dict(manifest[system], WEIGHTS_SEED))
        pairs = [(checks, drawn)] + ([(moved, drawn.moved(unit))] if method.conditioning else [])
        for target, weighted in pairs:
            system_rows = system_checks(weighted, system, fields, part)
            target |= {f'{system}/{key}': wanted for key, wanted in system_rows.items()}
        left_out += [f'{system}/{key}' for key in settings.get('left_out', ())]
    report.compare_file(where, arrays, checks, left_out=left_out, movement=Movement(moved, unit) if moved else None)


def system_checks(case: Case, system: str, fields: Mapping[str, Any], arrays: Arrays) -> dict[str, list[Check]]:
    """The checks of one system by the names of its keys."""
    model = case.model('official', **fields)
    weights = case.loss_weights(vtac_weight=0.0, contrastive_weight=CLIP_WEIGHT)
    output, _, terms, gradients = losses_and_gradients(model, case.load(model), case.batch, weights)
    named = {'ce': terms['report_nll']}
    if system == 'clip':
        named |= {'clip_loss': terms['contrastive'], f'total_{CLIP_WEIGHT}': terms['total']}
    checks = {key: [Check(np.float64(value), Close(SINGLE.forward, own_value))] for key, value in named.items()}
    checks['log_probs'] = [Check(output.log_probs, Close(SINGLE.forward))]
    return checks | gradient_checks(arrays, gradients, SINGLE)
