"""Reference values of CAMANet's relatives (R2Gen, R2GenCMN): networks that a recipe makes; no maps, no training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange

from camanet_jax.configuration import fill_variant, recipe
from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.data.tokenizer import UNKNOWN, Tokenizer
from camanet_jax.experiment import Experiment
from camanet_jax.lab.parity import model_checks, model_values
from camanet_jax.lab.parity.conditioning import Method, movements
from camanet_jax.lab.parity.model_values import Case
from camanet_jax.lab.parity.reference_weights import draw_state_dict
from camanet_jax.lab.parity.report import Arrays, Check, Report, load_arrays
from camanet_jax.lab.parity.rules import BEAM_SCORES, DOUBLE, SINGLE, Close, own_value
from camanet_jax.run.files import read_json

FILES = ('reference.npz', 'reference64.npz')
SETTINGS = ('system', 'weights_seed', 'views', 'vocab_size', 'max_seq_length', 'searches')
BATCH = ('images_u8', 'report_ids', 'report_mask')
IN_DOUBLE = ('log_probs',)  # of the activations, what reference64.npz holds
NOT_CHECKED = {'greedy_penalised/ids': 'another search: it penalises repeated trigrams'}


def check_relative(folder: Path, where: str, report: Report, method: Method):
    """Compares both files of a folder whose reference.json names its `system`."""
    settings = read_json(folder / 'reference.json')
    if absent := [name for name in SETTINGS if name not in settings]:
        raise ValueError(f'reference.json: expected the settings {", ".join(SETTINGS)}, missing: {", ".join(absent)}')
    arrays = {file: load_arrays(folder / file) for file in FILES}
    case, weights = read_case(folder, settings, arrays[FILES[0]], method)

    def values(case: Case, what: str = '') -> dict[str, model_checks.Checks]:
        report.say(f'# {where}{what}: forward, backward and {len(settings["searches"])} searches')
        return all_checks(case, weights, arrays, method.x64)

    checks = values(case)
    moved = movements(
        method, FILES, lambda unit, draw: values(case.moved(unit, draw), f', weights moved by {unit:.0e}, draw {draw}')
    )
    for file, single in zip(FILES, (True, False), strict=True):
        for key in NOT_CHECKED.keys() & arrays[file]:
            report.not_checked(f'{where}/{file}:{key}', NOT_CHECKED[key])
            del arrays[file][key]
        inputs = BATCH if single else ()
        report.compare_file(f'{where}/{file}', arrays[file], checks[file], inputs, movement=moved.get(file))


def read_case(folder: Path, settings: Mapping[str, Any], arrays: Arrays, method: Method):
    """The batch, drawn weights and the recipe's network as a `Case`, and the weights of its losses."""
    config = recipe(method.config or settings['system'])
    config.update(variant='official', dtype=method.dtype)
    words = (UNKNOWN, *(f'word{i}' for i in range(1, settings['vocab_size'])))
    experiment = Experiment(fill_variant(config), Tokenizer(words, config.data.cleaner))
    unlabelled = np.full((len(arrays['images_u8']), len(OBSERVATIONS)), np.nan)
    batch = model_values.make_batch(arrays, unlabelled, method.dtype)
    weights = draw_state_dict(
        read_json(folder / 'manifest.json'),
        settings['weights_seed'],
        settings.get('aliases', {}),
        settings.get('scaling', ()),
    )
    network = experiment.model().clone(matmul_precision=None)  # by the method
    return Case(settings, batch, weights, network), experiment.loss_weights()


def all_checks(
    case: Case, weights: Mapping[str, float], arrays: Mapping[str, Arrays], x64: bool
) -> dict[str, model_checks.Checks]:
    """Computes everything: {file: {key: checks}} of every key that each file must hold."""
    output, sown, terms, gradients = model_values.losses_and_gradients(
        case.network, case.variables, case.batch, weights
    )
    values, stored = activations(case, output) | sown, case.settings.get('stored', {})
    choices = [key for key, value in values.items() if jnp.issubdtype(value.dtype, jnp.integer)]
    searches = [model_values.search(case, case.network, **options) for options in case.settings['searches']]
    sharp = (DOUBLE, Close(DOUBLE.forward)) if x64 else (SINGLE, BEAM_SCORES)
    by_file = {}
    for file, keys, (tolerances, scores) in (
        (FILES[0], values, (SINGLE, BEAM_SCORES)),
        (FILES[1], (*IN_DOUBLE, *choices), sharp),
    ):
        # Of what `stored` names, the file holds a part: the first studies, and of some the first tokens.
        held = {key: beginning(values[key], arrays[file][key]) if key in stored else values[key] for key in keys}
        checks = model_checks.forward_checks(held, tolerances)
        checks |= model_checks.gradient_checks(arrays[file], gradients, tolerances)
        checks['loss'] = [Check(np.float64(terms['report_nll']), Close(tolerances.forward, own_value))]
        for i, reports in enumerate(searches):
            checks |= model_checks.search_checks(i, reports, scores)
        by_file[file] = checks
    return by_file


def beginning(value: jax.Array, part: np.ndarray) -> jax.Array:
    """The first entries of every axis, as many as the part has."""
    return value[tuple(slice(size) for size in part.shape)]


def activations(case: Case, output: Any) -> dict[str, jax.Array]:
    """Tensors by the names of reference.npz; the network sows others (`nn.Module.sow`)."""
    encoding, views = output.encoding, case.settings['views']
    by_view = rearrange(encoding.visual_tokens, 'b (i p) c -> b i p c', i=views).mean(2)
    values = {
        'patch_feats': encoding.visual_tokens,
        'avg_feats': rearrange(by_view, 'b i c -> b (i c)'),
        'encoder_in': encoding.projected,
        'encoder_out': encoding.encoded,
        'log_probs': output.log_probs,
    }
    return values | ({'rm_memory': output.relational_memory} if case.network.memory_slots else {})
