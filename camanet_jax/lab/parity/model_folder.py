"""A model folder: reference.json, manifest.json and the values of the authors' program for one batch."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
import numpy as np

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.lab.parity import model_checks, model_values
from camanet_jax.lab.parity.conditioning import Method, Movement, movements
from camanet_jax.lab.parity.model_values import Case
from camanet_jax.lab.parity.reference_weights import draw_state_dict
from camanet_jax.lab.parity.report import Arrays, Check, Report, load_arrays
from camanet_jax.lab.parity.rules import DOUBLE, SINGLE, Close, Identical, own_value
from camanet_jax.models import Camanet
from camanet_jax.optim import LearningRates
from camanet_jax.run.files import read_json

FILES = ('reference.npz', 'reference64.npz', 'paper64.npz')
SETTINGS = (
    'weights_seed',
    'views',
    'vocab_size',
    'max_seq_length',
    'topk',
    'lambda_',
    'delta',
    'weight_decay',
    'clip_value',
    'searches',
)
# Large arrays that a folder may do without, if its reference.json lists them under "left_out": an error in one of them
# shows in the class logits, maps, losses and gradients, which no folder may leave out.
MAY_BE_LEFT_OUT = {
    'patch_feats',
    'avg_feats',
    'cams',
    'disc_rep',
    'encoder_in',
    'encoder_out',
    'rm_memory',
    'word_embeddings',
    'cross_attention',
    'log_probs',
}
BATCH = ('images_u8', 'report_ids', 'report_mask', 'labels')
RATES, NAMES = 'trajectory_lr', 'grad_names'
HELD_IN_DOUBLE = {'log_probs', 'cls_logits', 'vdm', 'tdm_official'}  # tensors of reference64.npz
SEARCH_OPTIONS = {'beam_size', 'eos_bias'}
TRAINING_STEPS = 6


def check_model_folder(
    folder: Path, where: str, report: Report, method: Method, sizes: Mapping[str, Any] | None = None
):
    """Compares all files of a model folder; `sizes` are fields of a model that is not the full-size one."""
    settings = read_settings(folder / 'reference.json')
    arrays = {file: load_arrays(folder / file) for file in FILES}
    given = {file: (NAMES,) for file in FILES} | {FILES[0]: (*BATCH, RATES, NAMES)}
    if absent := [f'{file}:{key}' for file, keys in given.items() for key in keys if key not in arrays[file]]:
        raise ValueError(f'nothing can be compared, missing: {", ".join(absent)}')
    case = read_case(folder, settings, arrays[FILES[0]], method.x64, sizes)

    def values(case: Case, what: str = '') -> dict[str, Any]:
        return all_checks(case, arrays, method.x64, lambda part: report.say(f'# {where}{what}: {part}'))

    checks = values(case)
    moved = movements(
        method, FILES, lambda unit, draw: values(case.moved(unit, draw), f', weights moved by {unit:.0e}, draw {draw}')
    )
    compare_files(where, arrays, checks, settings.get('left_out', ()), report, moved)


def compare_files(
    where: str,
    arrays: Mapping[str, Arrays],
    checks: Mapping[str, Any],
    left_out: Any,
    report: Report,
    moved: Mapping[str, Movement] = MappingProxyType({}),
):
    """Adds the comparison of every key of every file to the report; `moved`, movements by file, set the limits."""
    for file in FILES:
        inputs = (*BATCH, RATES) if file == FILES[0] else ()
        report.compare_file(f'{where}/{file}', arrays[file], checks[file], inputs, left_out, moved.get(file))


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in reference.json, complete."""
    settings = read_json(path)
    if absent := [name for name in SETTINGS if name not in settings]:
        raise ValueError(f'{path.name}: expected the settings {", ".join(SETTINGS)}, missing: {", ".join(absent)}')
    if any(set(search) != SEARCH_OPTIONS for search in settings['searches']):
        raise ValueError(f'{path.name}: expected {sorted(SEARCH_OPTIONS)} in each of "searches", got other fields')
    if odd := sorted(set(settings.get('left_out', ())) - MAY_BE_LEFT_OUT):
        allowed = ', '.join(sorted(MAY_BE_LEFT_OUT))
        raise ValueError(f'{path.name}: only {allowed} may be left out, not {", ".join(odd)}')
    return settings


def read_case(
    folder: Path, settings: Mapping[str, Any], arrays: Arrays, x64: bool, sizes: Mapping[str, Any] | None = None
) -> Case:
    """The batch in `arrays` and the weights that the folder's manifest and seed give."""
    check_batch(arrays, settings)
    dtype = jnp.float64 if x64 else jnp.float32
    batch = model_values.make_batch(arrays, arrays['labels'], dtype)
    weights = draw_state_dict(read_json(folder / 'manifest.json'), settings['weights_seed'])
    fields = {'topk': settings['topk'], 'dtype': dtype, 'param_dtype': dtype} | dict(sizes or {})
    return Case(settings, batch, weights, Camanet(vocabulary_size=settings['vocab_size'] + 1, **fields))


def check_batch(arrays: Arrays, settings: Mapping[str, Any]):
    """Raises a ValueError that names the first input that cannot be one."""
    images, ids, mask, labels = (arrays[key] for key in BATCH)
    studies, longest, words = len(images), settings['max_seq_length'], settings['vocab_size']
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[1] != settings['views']:
        raise ValueError(
            f'images_u8: expected uint8 [B, {settings["views"]}, height, width], '
            f'got {images.dtype} {list(images.shape)}'
        )
    if ids.ndim != 2 or len(ids) != studies or not 2 <= ids.shape[1] <= longest or ids[:, 0].any():
        raise ValueError(f'report_ids: expected [{studies}, 2 to {longest}] starting with 0, got {list(ids.shape)}')
    if ids.min() < 0 or ids.max() > words:
        raise ValueError(f'report_ids: expected ids 0 to {words}, got {ids.min()} to {ids.max()}')
    # A report ends with the 0 after its last word; everything later is padding.
    last_word = np.where(ids > 0, np.arange(ids.shape[1]), 0).max(1, keepdims=True)
    if not np.array_equal(mask, np.arange(ids.shape[1]) <= last_word + 1):
        raise ValueError('report_mask: expected 1 from the first id of report_ids to the 0 after the last word, then 0')
    if arrays[RATES].shape != (2,):
        raise ValueError(f'{RATES}: expected the rates of backbone and rest, got {list(arrays[RATES].shape)}')
    if labels.shape != (studies, len(OBSERVATIONS)) or not np.isin(labels, (0, 1)).all():
        raise ValueError(f'labels: expected 0 or 1 in [{studies}, {len(OBSERVATIONS)}], got {list(labels.shape)}')


def all_checks(
    case: Case, arrays: Mapping[str, Arrays], x64: bool, progress: Callable[[str], Any] = lambda part: None
) -> dict[str, dict[str, list[Check]]]:
    """Computes everything: {file: {key: checks}} of every key that each file must hold.

    `progress` is told what is computed next: at full size each part takes minutes.
    """
    single, double, paper = (arrays[file] for file in FILES)
    sharp = DOUBLE if x64 else SINGLE
    progress('official variant, forward and backward')
    checks = pass_checks(case, 'official', official_values, [(single, SINGLE), (double, sharp)])
    progress('paper variant, forward and backward')
    checks += pass_checks(case, 'paper', paper_values, [(paper, sharp)])
    for i, options in enumerate(case.settings['searches']):
        progress(f'search {i}')
        checks[0] |= model_checks.search_checks(i, model_values.search(case, case.model('official'), **options))

    progress('training')
    rates = single[RATES]
    rows, statistics, updates = model_values.train(case, LearningRates(*rates.tolist()), TRAINING_STEPS)
    checks[0] |= model_checks.statistics_checks(single, statistics)
    checks[0] |= model_checks.training_checks(single, rows, updates, SINGLE)
    checks[1] |= model_checks.training_checks(double, rows, updates, sharp)
    checks[1] |= {RATES: [Check(rates, Identical())]}
    return dict(zip(FILES, checks, strict=True))


def pass_checks(case: Case, variant: str, name_values, files) -> list[dict[str, list[Check]]]:
    """The evaluation-mode pass of a variant against each of `files`, pairs of arrays and tolerances."""
    output, _, terms, gradients = model_values.losses_and_gradients(
        case.model(variant), case.variables, case.batch, case.loss_weights()
    )
    values = name_values(case, output)
    checks = []
    for arrays, tolerances in files:
        held = {key: value for key, value in values.items() if arrays.file != FILES[1] or key in HELD_IN_DOUBLE}
        checks.append(
            model_checks.forward_checks(held, tolerances)
            | {'losses': [Check(model_values.loss_row(terms, 'total'), Close(tolerances.forward, own_value))]}
            | model_checks.gradient_checks(arrays, gradients, tolerances)
        )
    return checks


def official_values(case: Case, output: Any) -> dict[str, Any]:
    """Tensors of the official run, and the paper's maps made from them, by the names of reference.npz."""
    encoding = output.encoding
    vdm_paper, paper = model_values.paper_maps(case, encoding)
    return {
        'patch_feats': encoding.visual_tokens,
        'avg_feats': encoding.pooled_features,
        'cls_logits': encoding.class_logits,
        'cams': encoding.cams,
        'vdm': encoding.vdm,
        'disc_rep': encoding.discriminative_representation,
        'encoder_in': encoding.projected,
        'encoder_out': encoding.encoded,
        'rm_memory': output.relational_memory,
        'word_embeddings': output.embedded,
        'cross_attention': output.cross_attention,
        'log_probs': output.log_probs,
        'tdm_official': output.tdm,
        'selected_official': np.asarray(output.selection) > 0,
        'vdm_paper': vdm_paper,
        'tdm_paper': paper.tdm,
        'word_similarity_paper': paper.word_similarity,
        'selected_paper': np.asarray(paper.selection) > 0,
    }


def paper_values(case: Case, output: Any) -> dict[str, Any]:
    """Tensors of the paper variant's run, by the names of paper64.npz."""
    del case
    return {
        'vdm': output.encoding.vdm,
        'tdm': output.tdm,
        'selected': np.asarray(output.selection) > 0,
        'word_similarity': output.word_similarity,
        'log_probs': output.log_probs,
        'cls_logits': output.encoding.class_logits,
    }
