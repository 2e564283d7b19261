"""Percentile bootstrap over studies, or over patients, from per-study sufficient statistics.

A corpus score (BLEU, METEOR, micro-F1, a mean) is a function of sums over studies. From the summands of each study one
matrix product gives all resampled sums, so that a thousand resamples of a corpus score cost a few milliseconds and are
exact: it is not replaced by a mean of per-study scores.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

RESAMPLES = 1000
PERMUTATIONS = 10_000
PERMUTED_AT_ONCE = 1000
CONFIDENCE = 0.95


class StudyStatistics(NamedTuple):
    """A corpus score as per-study summands and the function of their sums."""

    summands: Float[np.ndarray, 'B statistics']
    score: Callable[[Float[np.ndarray, '... statistics']], Float[np.ndarray, '...']]

    def value(self) -> float:
        """The score of the whole set."""
        return float(self.score(self.summands.sum(axis=0)))

    def resampled(self, weights: Int[np.ndarray, 'resamples B']) -> Float[np.ndarray, ' resamples']:
        """The score of every resampled set."""
        if weights.shape[1] != len(self.summands):
            raise ValueError(
                f'Expected weights for {len(self.summands)} studies, got {weights.shape[1]}; '
                'draw them with resampling_weights(number of studies).'
            )
        return self.score(weights @ self.summands)


class Interval(NamedTuple):
    """Bounds of a two-sided percentile interval; JSON writes it as [low, high]."""

    low: float
    high: float


class PairedDifference(NamedTuple):
    """The difference of two systems on the same studies, system minus baseline, with its percentile interval."""

    difference: float  # of the scores on the whole set
    low: float
    high: float
    p_value: float  # two-sided, of "no difference"; never below 2 / (resamples + 1)


def mean_statistics(per_study: Float[np.ndarray, ' B']) -> StudyStatistics:
    """The mean over studies as a `StudyStatistics`."""
    per_study = np.asarray(per_study, np.float64)
    summands = np.stack([per_study, np.ones_like(per_study)], axis=1)
    return StudyStatistics(summands, lambda sums: sums[..., 0] / sums[..., 1])


def resampling_weights(studies: int, resamples: int = RESAMPLES, seed: int = 0) -> Int[np.ndarray, 'resamples B']:
    """The number of times that each study is drawn in each resample, a function of the seed."""
    if studies < 1 or resamples < 1 or seed < 0:
        got = f'{studies}, {resamples} and {seed}'
        raise ValueError(f'Expected at least one study and one resample, and no seed below 0, got {got}.')
    generator = np.random.default_rng(seed)
    return generator.multinomial(studies, np.full(studies, 1 / studies), size=resamples)


def patient_numbers(patients: Iterable[str]) -> Int[np.ndarray, ' B']:
    """The number of each study's patient, counted from 0 by first appearance."""
    number_of: dict[str, int] = {}
    return np.array([number_of.setdefault(patient, len(number_of)) for patient in patients], int)


def patient_weights(
    patients: Iterable[str], resamples: int = RESAMPLES, seed: int = 0
) -> Int[np.ndarray, 'resamples B']:
    """Weights by which patients are drawn, each with all of its studies: these are not independent of each other."""
    numbers = patient_numbers(patients)
    return resampling_weights(len(set(numbers)), resamples, seed)[:, numbers]


def bootstrap_interval(statistics: StudyStatistics, weights: Int[np.ndarray, 'resamples B']) -> Interval:
    """The 95% percentile interval of one score over studies."""
    return percentile_interval(statistics.resampled(weights))


def paired_bootstrap(
    system: StudyStatistics, baseline: StudyStatistics, weights: Int[np.ndarray, 'resamples B']
) -> PairedDifference:
    """Compares two systems on the same studies, in the same order and on the same resamples.

    The difficulty of a study for both systems therefore cancels.
    """
    differences = system.resampled(weights) - baseline.resampled(weights)
    # Count and total are one higher, since the observed set is itself a possible resample.
    tails = [(np.sum(differences <= 0) + 1), (np.sum(differences >= 0) + 1)]
    p_value = min(1.0, 2 * min(tails) / (len(differences) + 1))
    return PairedDifference(system.value() - baseline.value(), *percentile_interval(differences), float(p_value))


def paired_permutation(
    system: StudyStatistics,
    baseline: StudyStatistics,
    permutations: int,
    seed: int = 0,
    patients: Int[np.ndarray, ' B'] | None = None,
) -> float:
    """Two-sided p-value of "chance decided which system wrote which report", never below 1 / (permutations + 1).

    Each permutation swaps the systems' reports in half of the studies, drawn by `seed`; with the numbers of their
    patients (`patient_numbers`), of all studies of half of the patients.
    """
    generator = np.random.default_rng(seed)
    patients = np.arange(len(system.summands)) if patients is None else patients
    sums, others = system.summands.sum(axis=0), baseline.summands.sum(axis=0)
    observed, beyond = abs(system.score(sums) - baseline.score(others)), 0
    for start in range(0, permutations, PERMUTED_AT_ONCE):
        size = min(PERMUTED_AT_ONCE, permutations - start), patients.max() + 1
        moved = generator.integers(0, 2, size=size)[:, patients] @ (baseline.summands - system.summands)
        differences = system.score(sums + moved) - baseline.score(others - moved)
        beyond += int(np.sum(abs(differences) >= observed - 1e-12))  # rounding does not make a tie a smaller one
    return (beyond + 1) / (permutations + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected by Holm (1979): of m tests the i-th smallest (from 0) times m - i, none below one before."""
    order = np.argsort(p_values)
    scaled = np.array(p_values)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return corrected.tolist()


def safe_ratio(numerator: Float[np.ndarray, '...'], denominator: Float[np.ndarray, '...']) -> Float[np.ndarray, '...']:
    """The ratio, or 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator != 0)


def percentile_interval(resampled: Float[np.ndarray, ' resamples']) -> Interval:
    """The 95% interval of resampled values."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Interval(float(low), float(high))
