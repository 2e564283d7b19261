"""The parts of an official state dict that are not ours."""

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest

from camanet_jax.torch_io.buffers import (
    buffers_of,
    complete_state_dict,
    fresh_buffers,
    official_order,
    position_code,
)
from camanet_jax.torch_io.weight_names import CAMANET

GOLDEN = Path(__file__).parents[1] / 'golden'
(POSITION_CODE,) = CAMANET.position_codes
COUNTER = 'visual_extractor.model.norm0.num_batches_tracked'


@pytest.fixture
def weights():
    """A few weights, not in order."""
    return {
        'encoder_decoder.model.tgt_embed.0.lut.weight': np.ones((3, 4), np.float32),
        'fore_back_learn.norm.gamma': np.arange(2.0, dtype=np.float32),
        'visual_extractor.model.norm0.running_var': np.ones(2, np.float32),
        'visual_extractor.model.norm0.weight': np.ones(2, np.float32),
    }


def test_names_sort_as_the_official_program_defines_them():
    manifests = [json.loads((GOLDEN / folder / 'manifest.json').read_text()) for folder in ('iu_xray', 'mimic_cxr')]
    manifests += json.loads((GOLDEN / 'variants_manifest.json').read_text()).values()
    for names in map(list, manifests):
        shuffled = random.Random(0).sample(names, len(names))
        assert sorted(shuffled, key=official_order) == names


def test_the_position_code_is_the_sinusoid_in_single_precision():
    code = position_code(60, 8)
    assert code.dtype == np.float32 and code.shape == (1, 60, 8)
    for position, pair in ((0, 0), (7, 1), (59, 3)):
        angle = position / 10000 ** (2 * pair / 8)
        assert code[0, position, 2 * pair : 2 * pair + 2] == pytest.approx([math.sin(angle), math.cos(angle)], abs=1e-5)


def test_a_state_dict_is_completed_with_counters_code_and_the_shared_norm(weights):
    whole = complete_state_dict(weights, fresh_buffers(weights, 12))
    assert list(whole) == [
        'visual_extractor.model.norm0.weight',
        'visual_extractor.model.norm0.running_var',
        COUNTER,
        'fore_back_learn.norm.gamma',
        'fore_back_learn.fore_norm.gamma',
        'encoder_decoder.model.tgt_embed.0.lut.weight',
        POSITION_CODE,
    ]
    assert whole[COUNTER] == 12 and whole[COUNTER].dtype == np.int64
    assert whole['fore_back_learn.fore_norm.gamma'] is weights['fore_back_learn.norm.gamma']
    assert whole[POSITION_CODE].shape == (1, 5000, 4)
    assert set(buffers_of(whole)) == {COUNTER, POSITION_CODE}


@pytest.mark.parametrize('change', [dict(value=np.zeros(2, np.float32)), dict(missing=True)])
def test_two_names_of_one_norm_must_agree(weights, change):
    whole = complete_state_dict(weights, fresh_buffers(weights, 0))
    if 'missing' in change:
        del whole['fore_back_learn.fore_norm.gamma']
    else:
        whole['fore_back_learn.fore_norm.gamma'] = change['value']
    with pytest.raises(ValueError, match='fore_norm.gamma is missing, or differs from fore_back_learn.norm.gamma'):
        buffers_of(whole)


@pytest.mark.parametrize('name', [POSITION_CODE, COUNTER])
def test_a_missing_buffer_is_named(weights, name):
    weights |= {'visual_extractor.model.norm5.running_var': np.ones(2, np.float32)}
    whole = complete_state_dict(weights, fresh_buffers(weights, 0))
    del whole[name]
    with pytest.raises(ValueError, match=f'{name} is missing'):
        buffers_of(whole)


def test_checkpoints_of_early_releases_hold_no_counters(weights):
    whole = complete_state_dict(weights, fresh_buffers(weights, 0))
    del whole[COUNTER]
    assert set(buffers_of(whole)) == {POSITION_CODE}


def test_another_position_code_is_refused(weights):
    whole = complete_state_dict(weights, fresh_buffers(weights, 0))
    half = whole | {POSITION_CODE: whole[POSITION_CODE].astype(np.float16)}
    assert buffers_of(half)[POSITION_CODE].dtype == np.float16
    with pytest.raises(ValueError, match='sinusoidal'):
        buffers_of(whole | {POSITION_CODE: whole[POSITION_CODE] + 0.01})
