import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_bert import chexbert

from camanet_jax.lab.parity.fixture_checks import check_chexbert
from camanet_jax.lab.parity.report import Report
from camanet_jax.labeling.chexbert import load_chexbert, read_chexbert

ROWS = [[2, 5, 6, 7, 3], [2, 3], [2, 11, 12, 13, 15, 5, 8, 9, 10, 15, 3]]


def padded(rows):
    ids = np.zeros((len(rows), 12), np.int32)
    for row, values in zip(ids, rows, strict=True):
        row[: len(values)] = values
    return ids, np.arange(12) < np.array([[len(row)] for row in rows])


@pytest.mark.parametrize('dtype, tolerance', [('float32', 2e-5), ('float64', 1e-12)])
def test_agrees_with_bert_written_out(state_dict, dtype, tolerance):
    with jax.enable_x64(dtype == 'float64'):
        model, variables = load_chexbert(state_dict, dtype)
        output = model.apply(variables, *map(jnp.asarray, padded(ROWS)))
    for first, logits, row in zip(output.first_token, output.logits, ROWS, strict=True):
        expected_first, expected_logits = chexbert(state_dict, row)
        np.testing.assert_allclose(first, expected_first, atol=tolerance * 3)
        for got, expected in zip(logits, expected_logits, strict=True):
            np.testing.assert_allclose(got[: len(expected)], expected, atol=tolerance * 10)
            assert np.all(np.isneginf(got[len(expected) :]))


def test_bfloat16_keeps_float32_weights_and_comes_close(state_dict):
    model, variables = load_chexbert(state_dict, jnp.bfloat16)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype('float32')}
    output = model.apply(variables, *map(jnp.asarray, padded(ROWS)))
    assert output.first_token.dtype == jnp.bfloat16
    np.testing.assert_allclose(output.first_token[0].astype(np.float32), chexbert(state_dict, ROWS[0])[0], atol=0.3)


def test_every_weight_has_one_place(state_dict):
    _, variables = load_chexbert(state_dict)
    loaded = sum(leaf.size for leaf in jax.tree.leaves(variables))
    assert loaded == sum(array.size for name, array in state_dict.items() if 'pooler' not in name)


def test_reads_a_file_of_a_dataparallel_model(files, state_dict):
    model, variables = read_chexbert(files[0])
    assert (model.layers, model.heads, model.positions) == (2, 2, 16)
    np.testing.assert_array_equal(
        variables['params']['layer_1']['query']['kernel'],
        state_dict['bert.encoder.layer.1.attention.self.query.weight'].T,
    )


def test_refuses_other_weights(state_dict):
    with pytest.raises(ValueError, match="expected CheXbert's weights, got 1 arrays"):
        load_chexbert({'conv.weight': np.zeros(3)})
    broken = {name: array for name, array in state_dict.items() if name != 'linear_heads.3.bias'}
    with pytest.raises(ValueError, match=r'linear_heads\.3\.bias'):
        load_chexbert(broken)


@pytest.mark.slow
@pytest.mark.parametrize('x64', [False, True])
def test_reference_values_of_bert_base(shared_dir, x64):
    report = Report(io.StringIO())
    with jax.enable_x64(x64):
        check_chexbert(shared_dir / 'reference/chexbert.npz', 'chexbert.npz', report, x64)
    assert report.ok, report.stream.getvalue()
    assert len(report.lines) == 3
