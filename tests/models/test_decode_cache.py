import numpy as np
import pytest
from numpy.testing import assert_allclose
from quick_modules import quick


@pytest.mark.parametrize('vdm_bias', [False, True])
def test_cached_steps_equal_the_teacher_forced_pass(tiny, double, vdm_bias):
    """Every beam reads its own report: beam n of study b reads the report of study (b + n) mod 3, over b's films."""
    tokens, model = tiny.batch['tokens'][:, :-1], tiny.model.copy(vdm_bias=vdm_bias)
    variables = tiny.variables
    if vdm_bias:
        decoder = variables['params']['decoder'] | {'map_gain': np.array([0.5, -2.0])}
        variables = variables | {'params': variables['params'] | {'decoder': decoder}}
    beams, length = 3, tokens.shape[1]
    order = (np.arange(3)[:, None] + np.arange(beams)) % 3

    def method(name):
        return quick(lambda *inputs: model.apply(variables, *inputs, method=name))

    step, decode = method('decode_step'), method('decode')
    encoding = method('encode')(tiny.batch['images'])
    cross = method('cross_projections')(encoding)
    cache = model.apply(variables, 3, beams, length, method='empty_cache')
    logits, attention = [], []
    for position in range(length):
        *found, cache = step(tokens[order][:, :, position], position, cache, cross)
        logits.append(found[0])
        attention.append(found[1])
    passes = [decode(encoding, tokens[order[:, n]]) for n in range(beams)]

    for n, expected in enumerate(passes):
        words = (tokens[order[:, n]] > 0) | (np.arange(length) == 0)  # padding is masked in one, absent in the other
        for b in range(3):
            steps = np.flatnonzero(words[b])
            assert_allclose(np.stack(logits, 2)[b, n][steps], expected.logits[b, steps], rtol=1e-9, atol=1e-11)
            assert_allclose(np.stack(attention, 3)[b, :, n][:, steps], expected.cross_attention[b][:, steps], rtol=1e-9)
