import numpy as np
import pytest

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.metrics.classification import (
    AVERAGES,
    FINDINGS,
    FIVE_CLASSES,
    classification_scores,
    f1_statistics,
    scores_by_class_set,
)

TARGET = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]])
PREDICTED = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]])


def test_hand_computed_averages():
    scores = classification_scores(PREDICTED, TARGET, ('a', 'b', 'c'))
    # Class a: 1 true and 1 false positive; b: 1 true positive, 1 missed; c: never there.
    assert scores['micro'] == pytest.approx({'precision': 2 / 3, 'recall': 2 / 3, 'F1': 2 / 3})
    assert scores['macro'] == pytest.approx({'precision': 0.5, 'recall': 0.5, 'F1': 4 / 9})
    # By positive studies: 1 of a, 2 of b, none of c.
    assert scores['weighted'] == pytest.approx({'precision': 2.5 / 3, 'recall': 2 / 3, 'F1': 2 / 3})
    # Studies: (1, 1/2), (1/2, 1), and (0, 0) for the study without any label.
    assert scores['example'] == pytest.approx({'precision': 0.5, 'recall': 0.5, 'F1': 4 / 9})
    assert scores['per_class']['a'] == pytest.approx({'precision': 0.5, 'recall': 1.0, 'F1': 2 / 3, 'support': 1})
    assert scores['per_class']['c'] == {'precision': 0, 'recall': 0, 'F1': 0, 'support': 0}


def test_class_sets_are_those_columns_alone():
    generator = np.random.default_rng(0)
    predicted, target = generator.integers(0, 2, size=(2, 30, 14))
    found = scores_by_class_set(predicted, target)
    assert list(found) == ['13', '14', '5']
    for classes in (FIVE_CLASSES, OBSERVATIONS, FINDINGS):
        columns = [OBSERVATIONS.index(name) for name in classes]
        alone = classification_scores(predicted[:, columns], target[:, columns], classes)
        del alone['per_class']
        assert found[str(len(classes))] == alone


def test_a_constant_normal_report_has_no_findings_f1():
    target = np.eye(14, dtype=int)
    predicted = np.zeros_like(target)
    predicted[:, OBSERVATIONS.index('No Finding')] = 1
    scores = scores_by_class_set(predicted, target)
    assert scores['14']['macro']['F1'] > 0 and scores['13']['macro']['F1'] == 0


def test_bootstrap_statistics_give_the_scores():
    generator = np.random.default_rng(1)
    predicted, target = generator.integers(0, 2, size=(2, 40, 14))
    scores, statistics = scores_by_class_set(predicted, target), f1_statistics(predicted, target)
    for classes, prefix in (('14', ''), ('13', 'findings_'), ('5', 'five_class_')):
        for average in AVERAGES:
            assert statistics[f'{prefix}{average}_F1'].value() == pytest.approx(scores[classes][average]['F1'])
    assert len(statistics) == 12


def test_a_weighted_score_of_resampled_studies():
    generator = np.random.default_rng(3)
    predicted, target = generator.integers(0, 2, size=(2, 20, 14))
    twice = np.r_[0:10, 0:10]
    weights = np.array([[2] * 10 + [0] * 10])
    (value,) = f1_statistics(predicted, target)['weighted_F1'].resampled(weights)
    assert value == pytest.approx(classification_scores(predicted[twice], target[twice])['weighted']['F1'])


# precision_recall_fscore_support of scikit-learn 1.9.1 with zero_division=0 on the labels below.
SCIKIT_LEARN = {
    'micro': (0.3983050847457627, 0.4519230769230769, 0.42342342342342343),
    'macro': (0.22707109883580473, 0.2594061867171111, 0.23714048374103508),
    'example': (0.41180555555555554, 0.46249999999999997, 0.39211751211751206),
}
SCIKIT_LEARN_FIVE = {
    'micro': (0.2647058823529412, 0.2903225806451613, 0.27692307692307694),
    'macro': (0.08622222222222223, 0.11333333333333333, 0.09777777777777778),
    'example': (0.15, 0.13333333333333333, 0.13888888888888887),
}
SCIKIT_LEARN_CLASSES = {  # with support
    'Atelectasis': (0, 0, 0, 0),
    'Lung Opacity': (0.23529411764705882, 0.23529411764705882, 0.23529411764705882, 17),
    'Support Devices': (0.5757575757575758, 0.5757575757575758, 0.5757575757575758, 33),
}


def test_stored_values_of_scikit_learn():
    study, place = np.arange(60)[:, None], np.arange(14)
    target = (study * (place + 3) + place**2) % 11 < place // 2
    predicted = (study * (place + 2) + 3 * place) % 7 < place // 3
    scores = classification_scores(predicted.astype(int), target.astype(int))
    five = scores_by_class_set(predicted.astype(int), target.astype(int))['5']
    for group, expected in ((scores, SCIKIT_LEARN), (five, SCIKIT_LEARN_FIVE)):
        for average, values in expected.items():
            assert tuple(group[average].values()) == pytest.approx(values, abs=1e-15)
    for name, values in SCIKIT_LEARN_CLASSES.items():
        assert tuple(scores['per_class'][name].values()) == pytest.approx(values, abs=1e-15)


def test_equals_scikit_learn():
    sklearn_metrics = pytest.importorskip('sklearn.metrics')
    generator = np.random.default_rng(2)
    predicted, target = generator.random((2, 200, 14)) < np.linspace(0, 0.6, 14)
    scores = classification_scores(predicted.astype(int), target.astype(int))
    per_class = sklearn_metrics.precision_recall_fscore_support(target, predicted, zero_division=0)
    for i, name in enumerate(OBSERVATIONS):
        expected = [float(column[i]) for column in per_class]
        assert list(scores['per_class'][name].values()) == pytest.approx(expected)
    for ours, theirs in (('micro', 'micro'), ('macro', 'macro'), ('weighted', 'weighted'), ('example', 'samples')):
        *expected, _ = sklearn_metrics.precision_recall_fscore_support(
            target, predicted, average=theirs, zero_division=0
        )
        assert list(scores[ours].values()) == pytest.approx(expected)


@pytest.mark.parametrize(
    'predicted, message',
    [
        (np.zeros((3, 2), int), r'got \(3, 2\) and \(3, 3\)'),
        (np.full((3, 3), -1), r'labels of 0 and 1, got \[-1\]'),
    ],
)
def test_bad_labels_are_refused(without_shape_checks, predicted, message):
    with pytest.raises(ValueError, match=message):
        classification_scores(predicted, TARGET, ('a', 'b', 'c'))
