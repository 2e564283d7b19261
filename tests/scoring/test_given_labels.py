"""Clinical efficacy from label files."""

import json

import pytest
from small_reports import TEST

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.labeling.label_files import write_label_csv

EFFUSION, NORMAL_CLASS = OBSERVATIONS.index('Pleural Effusion'), OBSERVATIONS.index('No Finding')


def row(**labels):
    """A label row; the others are blank."""
    return tuple(labels.get(name.replace(' ', '_'), 0) for name in OBSERVATIONS)


@pytest.fixture
def references(tmp_path):
    path = tmp_path / 'references.json'
    path.write_text(
        json.dumps(
            {'a': row(Pleural_Effusion=1), 'b': row(No_Finding=1), 'c': row(Edema=-1, Fracture=1), 'another': row()}
        )
    )
    return path


@pytest.fixture
def predicted(tmp_path):
    """Study a: doubtful effusion; b: No Finding; c: edema, which the references ignore."""
    path = tmp_path / 'predicted.csv'
    write_label_csv(path, {'c': row(Edema=1), 'b': row(No_Finding=1), 'a': row(Pleural_Effusion=-1)}, 'study_id')
    return path


@pytest.mark.parametrize('policy, precision, recall', [('negative', 1, 1 / 3), ('positive', 1, 2 / 3)])
def test_policies_are_named_and_ignored_labels_count_nowhere(
    data, score, write, references, predicted, policy, precision, recall
):
    found = score(
        write('x.csv', TEST),
        '--data',
        data,
        '--labels',
        references,
        '--predicted_labels',
        predicted,
        f'--uncertain={policy}',
    )
    assert found['clinical']['labeler'] == 'predicted.csv against references.json'
    scores = found['clinical'][f'uncertain_{policy}_against_as_given']
    assert scores['micro']['precision'] == pytest.approx(precision)
    assert scores['micro']['recall'] == pytest.approx(recall)
    assert found['constant_baseline']['clinical'] == {}  # no file labels the constant report


def test_a_labeler_reads_what_no_file_gives(data, score, write, references):
    found = score(write('x.csv', TEST), '--data', data, '--labels', references)
    assert found['clinical']['labeler'] == 'rules against references.json'
    assert found['constant_baseline']['clinical']['labeler'] == 'rules against references.json'
    assert score(write('x.csv', TEST), '--data', data, '--labeler=none')['clinical'] == {}


def test_another_systems_labels_enter_the_comparison(data, score, write, references, predicted):
    options = (
        '--data',
        data,
        '--labels',
        references,
        '--predicted_labels',
        predicted,
        '--compare',
        write('y.csv', TEST),
    )
    found = score(write('x.csv', TEST), *options, '--compared_labels', references)
    (test,) = (each for each in found['leader_board']['tests'] if each['score'] == 'micro_F1')
    assert test['difference'] == pytest.approx(1 - 0.5)
    assert 'micro_F1' not in score(write('x.csv', TEST), *options)['leader_board']['systems']['y']['scores']


def test_faults(data, score, write, references, tmp_path):
    (tmp_path / 'few.json').write_text(json.dumps({'a': row()}))
    (tmp_path / 'nobody.csv').write_text(','.join(OBSERVATIONS) + '\n')
    for options, message in (
        (['--labels', tmp_path / 'few.json'], 'labels of all 3 studies, got none of 2 studies: b; c'),
        (['--labels', tmp_path / 'nobody.csv'], 'missing or repeated: id'),
        (['--labels', tmp_path / 'nothing.csv'], 'no such file'),
        (['--predicted_labels', references], '--predicted_labels needs --labels'),
        (['--compared_labels', references], 'needs --predicted_labels too'),
    ):
        with pytest.raises(SystemExit, match=message):
            score(write('x.csv', TEST), '--data', data, *options)
