"""Single files of reference values: parts of the program compared alone, on given inputs.

VTAC, the optimiser and learning-rate schedules, always in double precision; CheXbert's network in either, with weights
drawn from the names and shapes of its manifest; the Base system and the CLIP ablation, on the batch of the folder
iu_xray beside their file; the tokenizer and the evaluation transforms, exactly, on the files
under a data root.
"""

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from PIL import Image

from camanet_jax.configuration import VARIANTS
from camanet_jax.data.image_files import open_grey
from camanet_jax.data.schema import SPLITS, Study, read_annotation
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.data.transforms import eval_image
from camanet_jax.lab.parity.conditioning import DRAWS, Method, Movement, move
from camanet_jax.lab.parity.model_checks import gradient_checks
from camanet_jax.lab.parity.model_folder import read_case, read_settings
from camanet_jax.lab.parity.model_values import Case, losses_and_gradients, model_fields
from camanet_jax.lab.parity.reference_weights import draw_state_dict
from camanet_jax.lab.parity.report import Arrays, Check, Report, load_arrays
from camanet_jax.lab.parity.rules import DOUBLE, SINGLE, Close, Identical, own_value
from camanet_jax.labeling.chexbert import load_chexbert
from camanet_jax.models import vtac
from camanet_jax.models.camanet import input_mask
from camanet_jax.optim import LearningRates, Schedule, make_optimiser
from camanet_jax.run.files import read_json

VTAC_INPUTS = ('ids', 'word_vectors', 'query', 'attention')
PROPORTIONS = ('0.15', '0.25', '0.3', '0.35')
# Where each parameter of the optimiser's fixture stands in a model decides its learning rate.
OPTIMISER_PATHS = {'p0': 'backbone', 'p1': 'decoder', 'p2': 'memory'}
OPTIMISER_RATES = LearningRates(backbone=1e-3, decoder=2e-3)
OPTIMISER_DECAY = 0.05
OPTIMISER_STEPS = 60
OPTIMISER_SHOWN = (0, 4, 19, 59)

CHEXBERT_INPUTS = ('input_ids', 'attention_mask')
CHEXBERT_SEED = 5

VARIANTS_FILE, VARIANTS_MANIFEST, BATCH_FOLDER = 'variants.npz', 'variants_manifest.json', 'iu_xray'
VARIANTS_SEED = 0
SYSTEMS = {'base': {'vdmae': False, 'vtac': False}, 'clip': {'vtac': False, 'contrastive': True}}
CLIP_WEIGHT = 0.1

# Both vocabularies are those of IU X-Ray's reports; the second is cleaned by the rules for MIMIC-CXR.
CLEANERS = {'iu_xray': 'iu_xray', 'mimic_cxr_on_iu_text': 'mimic_cxr'}
STUDIES = 'iu_xray'
EVAL_TRANSFORMS = ('official', 'paper')
IMAGE_SIZE, RESIZE_SIZE = 224, 256


def check_vtac(path: Path, where: str, report: Report):
    """Maps and selected words of both variants, for every proportion k."""
    arrays = load_arrays(path)
    checks = {}
    for variant, k in product(VARIANTS, PROPORTIONS):
        tdm, selected = vtac_maps(arrays, variant, float(k))
        checks[f'{variant}/{k}/tdm'] = [Check(tdm, Close(DOUBLE.forward))]
        checks[f'{variant}/{k}/selected'] = [Check(selected, Identical())]
    report.compare_file(where, arrays, checks, VTAC_INPUTS)


def vtac_maps(arrays: Arrays, variant: str, k: float) -> tuple[np.ndarray, np.ndarray]:
    """d^t [B, P] and the selected words [B, L] of one variant."""
    fields = model_fields(variant)
    ids, words, query, attention = (arrays[key] for key in VTAC_INPUTS)
    with jax.enable_x64(True):
        tokens = jnp.asarray(ids[:, :-1])
        candidates = tokens > 0 if fields['tdm_candidates'] == 'words' else input_mask(tokens)
        counts = vtac.selection_counts(k, tokens.shape[1], VARIANTS[variant]['loss.tdm_count'])
        selected = vtac.number_selected(counts, candidates, input_mask(tokens).sum(1).max())
        similarity = vtac.cosine_similarity(jnp.asarray(words), jnp.asarray(query))
        selection = (vtac.ranks(similarity, candidates) < selected[:, None]).astype(similarity.dtype)
        tdm = vtac.textual_discriminative_map(
            jnp.asarray(attention).mean(1), similarity, selection, norm=fields['tdm_norm'], weight=fields['tdm_weight']
        )
        return np.asarray(tdm), np.asarray(selection) > 0


def check_optimiser(path: Path, where: str, report: Report):
    """Clipping, L2 and AMSGrad over sixty given gradients."""
    arrays = load_arrays(path)
    shown = optimiser_values(arrays)
    checks = {key: [Check(value, Close(DOUBLE.forward))] for key, value in shown.items()}
    inputs = [
        f'{name}/{kind}'
        for name in OPTIMISER_PATHS
        for kind in ('start', *(f'grad/{step:02}' for step in range(OPTIMISER_STEPS)))
    ]
    report.compare_file(where, arrays, checks, inputs)


def optimiser_values(arrays: Arrays) -> dict[str, np.ndarray]:
    """The parameters after the steps that the file shows."""

    def parameters(kind: str) -> dict[str, Any]:
        return {path: {name: jnp.asarray(arrays[f'{name}/{kind}'])} for name, path in OPTIMISER_PATHS.items()}

    shown = {}
    with jax.enable_x64(True):
        params, tx = parameters('start'), make_optimiser(weight_decay=OPTIMISER_DECAY)
        update, state = jax.jit(tx.update), tx.init(params)
        for step in range(OPTIMISER_STEPS):
            updates, state = update(parameters(f'grad/{step:02}'), state, params, rates=OPTIMISER_RATES)
            params = optax.apply_updates(params, updates)
            if step in OPTIMISER_SHOWN:
                shown |= {
                    f'{name}/after/{step:02}': np.asarray(params[path][name]) for name, path in OPTIMISER_PATHS.items()
                }
    return shown


def check_schedules(path: Path, where: str, report: Report):
    """The learning rates of every update, exactly."""
    for name, schedule in read_json(path).items():
        report.guard(f'{where}:{name}', check_schedule, schedule, f'{where}:{name}', report)


def check_schedule(schedule: dict[str, Any], where: str, report: Report):
    """One schedule: settings, and the rates [update, group] that were used."""
    names = {field: 'warmup_lr' if field == 'warmup_from' else field for field in Schedule._fields[:-1]}
    settings = (*names.values(), 'steps_per_epoch', 'epochs', 'used')
    if odd := sorted(set(settings) ^ set(schedule)):
        raise ValueError(f'expected {", ".join(settings)}; missing or unread: {", ".join(odd)}')
    fields = {field: schedule[name] for field, name in names.items()}
    wanted = Schedule(**fields, schedule_lag=VARIANTS['official']['optimiser.schedule_lag'])
    epoch_steps = schedule['steps_per_epoch']
    rates = [wanted.rates(i, epoch_steps) for i in range(schedule['epochs'] * epoch_steps)]
    report.compare(where, Check(np.array(rates), Identical()), np.array(schedule['used']))


def check_chexbert(path: Path, where: str, report: Report, method: Method):
    """The last layer's first token, all logits and the classes read off them; the manifest lies beside `path`."""
    arrays = load_arrays(path)
    weights = draw_state_dict(read_json(path.with_name(f'{path.stem}_manifest.json')), CHEXBERT_SEED)
    # Values that were computed in float32 differ from those of float64 by their own rounding.
    double = arrays['logits'].dtype == np.float64
    tolerance = (DOUBLE if method.x64 and double else SINGLE).forward
    # A missing logit is NaN on both sides; where only one side lacks it, its value is the error.
    close = Close(tolerance, part=np.nan_to_num)
    rules = {'cls_hidden': Close(tolerance), 'logits': close, 'classes': Identical()}

    def checks(weights: Mapping[str, np.ndarray]) -> dict[str, list[Check]]:
        values = chexbert_values(arrays, weights, jnp.dtype(method.dtype))
        return {key: [Check(values[key], rule)] for key, rule in rules.items()}

    unit = method.unit(double)
    movement = Movement([checks(move(weights, unit, draw)) for draw in range(DRAWS)], unit) if unit else None
    report.compare_file(where, arrays, checks(weights), CHEXBERT_INPUTS, movement=movement)


def chexbert_values(arrays: Arrays, weights: Mapping[str, np.ndarray], dtype: Any) -> dict[str, np.ndarray]:
    """The network's values by the file's keys."""
    model, variables = load_chexbert(weights, dtype)
    ids, mask = jnp.asarray(arrays['input_ids'], jnp.int32), jnp.asarray(arrays['attention_mask']) > 0
    output = jax.jit(model.apply)(variables, ids, mask)
    logits = np.asarray(output.logits)
    return {
        'cls_hidden': np.asarray(output.first_token),
        'logits': np.where(np.isneginf(logits), np.nan, logits),
        'classes': logits.argmax(-1),
    }


def check_tokenizer(path: Path, where: str, report: Report, data_root: Path):
    """Vocabularies, all ids, cleaning and decoding, exactly."""
    try:
        with gzip.open(path, 'rt', encoding='utf-8') as file:
            reference = json.load(file)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise ValueError(f'cannot be read: {error}') from error
    studies = read_annotation(data_root / STUDIES)
    for name, cleaner in CLEANERS.items():
        if name not in reference:
            report.miss(f'{where}:{name}', 'missing')
            continue
        expected = Arrays(where, reference.pop(name))
        values = tokenizer_values(expected, cleaner, studies)
        checks = {key: [Check(value, Identical())] for key, value in values.items()}
        report.compare_file(f'{where}:{name}', expected, checks, ['threshold'])
    for name in reference:
        report.miss(f'{where}:{name}', 'unread: no check knows this key')


def tokenizer_values(expected: Arrays, cleaner: str, studies: list[Study]) -> dict[str, Any]:
    """This tokenizer's output for the studies and the given cases, by the names of the file."""
    tokenizer = Tokenizer.build(
        [study.report for study in studies if study.split == 'train'], cleaner=cleaner, threshold=expected['threshold']
    )
    return {
        'vocabulary': list(tokenizer.words),
        'ids': {
            split: {study.id: tokenizer.encode(study.report) for study in studies if study.split == split}
            for split in SPLITS
        },
        'cleaned_cases': [[text, tokenizer.clean(text)] for text, _ in expected['cleaned_cases']],
        'id_cases': [[text, tokenizer.encode(text)] for text, _ in expected['id_cases']],
        'decode_cases': [[ids, tokenizer.decode(ids)] for ids, _ in expected['decode_cases']],
    }


def check_transforms(path: Path, where: str, report: Report, data_root: Path):
    """Evaluation images, bit for bit; keys are 'image|transform', the image a file or an array beside."""
    arrays = load_arrays(path)
    made = [key for key in arrays if '|' not in key]
    checks = {}
    for name in dict.fromkeys(key.partition('|')[0] for key in arrays):
        try:
            image = Image.fromarray(arrays[name]) if name in made else open_grey((data_root / name).read_bytes(), name)
        except (OSError, ValueError) as error:
            report.miss(f'{where}:{name}', f'no such image in the file or under {data_root}: {error}')
            continue
        checks |= {
            f'{name}|{transform}': [Check(eval_image(image, transform, IMAGE_SIZE, RESIZE_SIZE), Identical())]
            for transform in EVAL_TRANSFORMS
        }
    report.compare_file(where, arrays, checks, made)


def check_variants(path: Path, where: str, report: Report, method: Method):
    """Compares log-probabilities, losses and gradients of both systems."""
    arrays = load_arrays(path)
    manifest = read_json(path.parent / VARIANTS_MANIFEST)
    folder = path.parent / BATCH_FOLDER
    settings = read_settings(folder / 'reference.json')
    case = read_case(folder, settings, load_arrays(folder / 'reference.npz'), method.x64)
    checks, left_out = {}, []
    unit = method.unit(double=False)
    moved = [{} for _ in range(DRAWS if unit else 0)]
    for system, fields in SYSTEMS.items():
        part = Arrays(
            VARIANTS_FILE,
            {key.removeprefix(f'{system}/'): value for key, value in arrays.items() if key.startswith(f'{system}/')},
        )
        drawn = replace(case, weights=draw_state_dict(manifest[system], VARIANTS_SEED))
        pairs = [(checks, drawn), *((target, drawn.moved(unit, draw)) for draw, target in enumerate(moved))]
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
