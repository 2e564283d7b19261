import gzip

import numpy as np
import pytest

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.labeling.label_files import (
    CHEXBERT_ORDER,
    FROM_CHEXBERT,
    positives,
    read_label_csv,
    read_label_json,
    without_ignored,
    write_label_csv,
    write_label_json,
)

LABELS = {'a': (1, 0, -1, -2) + (0,) * 10, 'b, "c"': (-2,) * 13 + (1,)}


def test_csv_round_trip(tmp_path):
    write_label_csv(tmp_path / 'labels.csv', LABELS)
    assert read_label_csv(tmp_path / 'labels.csv') == LABELS


def test_csv_has_chexberts_columns_and_cells(tmp_path):
    write_label_csv(tmp_path / 'labels.csv', LABELS)
    header, first, *_ = (tmp_path / 'labels.csv').read_text().splitlines()
    assert header.split(',') == ['id', *CHEXBERT_ORDER]
    named = dict(zip(CHEXBERT_ORDER, first.split(',')[1:], strict=True))
    assert [named[name] for name in OBSERVATIONS[:4]] == ['1', '0', '-1', '']


def test_chexberts_order_is_a_permutation_of_ours():
    assert [CHEXBERT_ORDER[place] for place in FROM_CHEXBERT] == list(OBSERVATIONS)


def test_gzipped_csv_with_columns_in_another_order(tmp_path):
    names = [*reversed(OBSERVATIONS)]
    text = f'subject_id,study_id,{",".join(names)}\n7,50,1.0,-1.0,0.0{"," * 11}\n'
    (tmp_path / 'x.csv.gz').write_bytes(gzip.compress(text.encode()))
    assert read_label_csv(tmp_path / 'x.csv.gz', 'study_id') == {'50': (-2,) * 11 + (0, -1, 1)}


@pytest.mark.parametrize(
    'header, row, message',
    [
        (['id', *OBSERVATIONS[1:]], 'a' + ',' * 13, 'missing or repeated: Atelectasis'),
        (['id', *OBSERVATIONS, 'Edema'], 'a' + ',' * 15, 'missing or repeated: Edema'),
        (['name', *OBSERVATIONS], 'a' + ',' * 14, 'missing or repeated: id'),
        (['id', *OBSERVATIONS], 'a,2' + ',' * 13, r"line 2: expected 1, 0, -1 or an empty cell, got \['2'\]"),
        (['id', *OBSERVATIONS], 'a,1', 'line 2 has 2 of 15 cells'),
        (['id', *OBSERVATIONS], f'a{"," * 14}\na{"," * 14}', 'line 3: id a a second time'),
    ],
)
def test_csv_faults(tmp_path, header, row, message):
    path = tmp_path / 'labels.csv'
    path.write_text(f'{",".join(header)}\n{row}\n')
    with pytest.raises(ValueError, match=message):
        read_label_csv(path)


def test_json_round_trip(tmp_path):
    binary = {
        name: tuple(map(int, row))
        for name, row in zip(LABELS, positives(np.array(list(LABELS.values())), 'ignore'), strict=True)
    }
    write_label_json(tmp_path / 'labels.json', binary)
    assert read_label_json(tmp_path / 'labels.json') == binary
    assert binary['a'][:4] == (1, 0, -1, 0)


def test_json_faults(tmp_path):
    path = tmp_path / 'labels.json'
    path.write_text('{"a": [0, 1], "b": [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}')
    with pytest.raises(ValueError, match='2 problems: a: expected 14 values'):
        read_label_json(path)


def test_uncertain_policies():
    labels = np.array([[1, 0, -1, -2]])
    np.testing.assert_array_equal(positives(labels), [[1, 0, 0, 0]])
    np.testing.assert_array_equal(positives(labels, 'positive'), [[1, 0, 1, 0]])
    np.testing.assert_array_equal(positives(labels, 'ignore'), [[1, 0, -1, 0]])
    with pytest.raises(ValueError, match='got .maybe'):
        positives(labels, 'maybe')


def test_what_one_side_ignores_counts_on_neither():
    predicted, target = without_ignored(np.array([[1, -1, 0]]), np.array([[-1, 1, 1]]))
    np.testing.assert_array_equal(predicted, [[0, 0, 0]])
    np.testing.assert_array_equal(target, [[0, 0, 1]])
