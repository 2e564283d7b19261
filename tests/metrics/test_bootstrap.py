import numpy as np
import pytest

from camanet_jax.metrics.bootstrap import (
    StudyStatistics,
    bootstrap_interval,
    holm,
    mean_statistics,
    paired_bootstrap,
    paired_permutation,
    patient_numbers,
    patient_weights,
    resampling_weights,
)


def test_resampled_means_equal_means_of_drawn_studies():
    values = np.array([1.0, 2.0, 4.0])
    weights = np.array([[3, 0, 0], [1, 1, 1], [0, 1, 2]])
    np.testing.assert_allclose(mean_statistics(values).resampled(weights), [1.0, 7 / 3, 10 / 3])


def test_ratio_of_sums_is_not_mean_of_ratios():
    summands = np.array([[1.0, 1.0], [0.0, 9.0]])
    statistics = StudyStatistics(summands, lambda sums: sums[..., 0] / sums[..., 1])
    assert statistics.value() == pytest.approx(0.1)
    np.testing.assert_allclose(statistics.resampled(np.array([[1, 1], [2, 0]])), [0.1, 1.0])


def test_each_resample_draws_as_many_studies_as_there_are():
    weights = resampling_weights(7, resamples=50, seed=3)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()
    np.testing.assert_array_equal(weights, resampling_weights(7, resamples=50, seed=3))
    assert (weights != resampling_weights(7, resamples=50, seed=4)).any()


def test_a_patients_studies_are_drawn_and_swapped_together():
    patients = ['b', 'a', 'b', 'c']
    np.testing.assert_array_equal(patient_numbers(patients), [0, 1, 0, 2])
    weights = patient_weights(patients, resamples=50)
    np.testing.assert_array_equal(weights[:, [0, 1, 3]], resampling_weights(3, resamples=50))
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(patient_weights('abcd', 50), resampling_weights(4, 50))


def test_repeated_studies_prove_no_more():
    generator = np.random.default_rng(0)
    system, baseline = generator.normal(0.3, 1, 60), generator.normal(0, 1, 60)
    once = [mean_statistics(each) for each in (system, baseline)]
    twice = [mean_statistics(np.repeat(each, 2)) for each in (system, baseline)]
    patients = np.repeat(np.arange(60), 2)
    assert paired_permutation(*twice, 2000, patients=patients) == paired_permutation(*once, 2000)
    assert paired_permutation(*twice, 2000) < 0.5 * paired_permutation(*once, 2000)
    drawn = paired_bootstrap(*twice, patient_weights(map(str, patients)))
    assert drawn == pytest.approx(paired_bootstrap(*once, resampling_weights(60)))


def test_interval_of_a_mean_has_the_width_the_normal_law_gives():
    values = np.random.default_rng(0).normal(5.0, 2.0, size=400)
    low, high = bootstrap_interval(mean_statistics(values), resampling_weights(400, 4000))
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(400), rel=0.06)


def test_paired_difference_ignores_what_both_systems_share():
    generator = np.random.default_rng(1)
    difficulty = generator.normal(0, 10, size=200)
    better = difficulty + 0.5 + generator.normal(0, 0.1, size=200)
    weights = resampling_weights(200)
    found = paired_bootstrap(mean_statistics(better), mean_statistics(difficulty), weights)
    assert found.difference == pytest.approx(0.5, abs=0.03)
    assert 0.45 < found.low < found.difference < found.high < 0.55
    assert found.p_value == pytest.approx(2 / 1001)


def test_equal_systems_do_not_differ():
    statistics = mean_statistics(np.arange(10.0))
    found = paired_bootstrap(statistics, statistics, resampling_weights(10))
    assert found == (0.0, 0.0, 0.0, 1.0)


def test_no_studies_and_wrong_weights_are_refused():
    with pytest.raises(ValueError, match='at least one study'):
        resampling_weights(0)
    with pytest.raises(ValueError, match='no seed below 0, got 4, 1000 and -1'):
        resampling_weights(4, seed=-1)
    with pytest.raises(ValueError, match='Expected weights for 3 studies, got 4'):
        bootstrap_interval(mean_statistics(np.ones(3)), resampling_weights(4))


def test_a_permutation_test_over_all_swaps():
    # Differences of the means when the systems are swapped by study: +-1 +-2 +-3, of which two are as large as 6.
    ours, theirs = mean_statistics(np.array([1.0, 2, 3])), mean_statistics(np.zeros(3))
    assert paired_permutation(ours, theirs, 8000) == pytest.approx(2 / 8, abs=0.02)
    assert paired_permutation(ours, ours, 100) == 1
    assert paired_permutation(mean_statistics(np.arange(30.0) + 1), mean_statistics(np.zeros(30)), 99) == 1 / 100
    assert paired_permutation(theirs, ours, 2500, seed=1) == paired_permutation(theirs, ours, 2500, seed=1)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.9]) == pytest.approx([0.04, 0.09, 0.09, 0.9])
    assert holm([0.5, 0.6]) == [1.0, 1.0] and holm([]) == []
