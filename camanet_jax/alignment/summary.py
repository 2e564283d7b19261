"""Scores of many lesions as means with intervals over studies, beside chance and beside other studies' maps.

n lesions, in B studies.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from camanet_jax.alignment.scores import THRESHOLDS, MapScores, score_maps
from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.metrics.bootstrap import StudyStatistics, bootstrap_interval, resampling_weights

MEASURES = ('pointing', 'energy', 'iou')
Values = Float[np.ndarray, 'n settings']


def compare(values: Values, baseline: Values, studies: Sequence[str]) -> dict[str, float]:
    """The mean over lesions at the best setting, a baseline's, and their difference, with 95% intervals over studies.

    Settings (an IoU's thresholds) are chosen on the whole set, and anew in every resample, so that the interval knows
    of the choice. Lesions of one study are drawn together.
    """
    rows = np.unique(studies, return_inverse=True)[1]
    summands = np.zeros((rows.max() + 1, values.shape[1] + baseline.shape[1] + 1))
    np.add.at(summands, rows, np.concatenate([values, baseline, np.ones((len(values), 1))], axis=1))
    split = values.shape[1]

    def value(sums):
        return sums[..., :split].max(-1) / sums[..., -1]

    def other(sums):
        return sums[..., split:-1].max(-1) / sums[..., -1]

    weights = resampling_weights(len(summands))
    mean = StudyStatistics(summands, value)
    difference = StudyStatistics(summands, lambda sums: value(sums) - other(sums))
    low, high = bootstrap_interval(mean, weights)
    difference_low, difference_high = bootstrap_interval(difference, weights)
    return {'value': mean.value(), 'low': low, 'high': high,
            'baseline': StudyStatistics(summands, other).value(), 'difference': difference.value(),
            'difference_low': difference_low, 'difference_high': difference_high}


def summarise(maps: Float[np.ndarray, 'n P'], shares: Float[np.ndarray, 'n P'], studies: Sequence[str],
              observations: Int[np.ndarray, ' n']) -> dict[str, Any]:
    """One map's entry: every measure against chance, against other studies' maps, and by observation."""
    scores = score_maps(maps, shares)
    chance = scores.area[:, None]
    entry: dict[str, Any] = {'lesions': len(maps), 'studies': len(set(studies)), 'flat_maps': int(scores.flat.sum()),
                             'threshold': float(THRESHOLDS[scores.iou.mean(0).argmax()])}
    for name in MEASURES:
        found = compare(settings(scores, name), chance, studies)
        found['chance'] = found.pop('baseline')
        entry[name] = found
    entry['other_studies'] = against_other_studies(maps, shares, studies, observations)
    entry['by_observation'] = by_observation(scores, observations)
    return entry


def settings(scores: MapScores, name: str) -> Values:
    """A measure's values, one column for each setting."""
    values = getattr(scores, name)
    return values if values.ndim == 2 else values[:, None]


def against_other_studies(maps, shares, studies, observations) -> dict[str, Any]:
    """Compares with the map of another study that has the same observation.

    A map that lies where such lesions mostly are, whatever the film shows, beats chance and gains nothing here.
    """
    giver = exchange(observations)
    kept = np.flatnonzero(giver != np.arange(len(giver)))
    if not len(kept):
        return {'lesions': 0}
    own, others = score_maps(maps[kept], shares[kept]), score_maps(maps[giver[kept]], shares[kept])
    names = [studies[i] for i in kept]
    return {'lesions': len(kept)} | {name: compare(settings(own, name), settings(others, name), names)
                                     for name in MEASURES}


def exchange(observations: Int[np.ndarray, ' n']) -> Int[np.ndarray, ' n']:
    """For each lesion the next one with the same observation, round in a circle; itself where it is the only one."""
    giver = np.arange(len(observations))
    for observation in np.unique(observations):
        places = np.flatnonzero(observations == observation)
        giver[places] = np.roll(places, -1)
    return giver


def by_observation(scores: MapScores, observations: Int[np.ndarray, ' n']) -> dict[str, Any]:
    """Means of each observation's lesions; the IoU at the threshold of all."""
    best = scores.iou.mean(0).argmax()
    columns = {'pointing': scores.pointing, 'energy': scores.energy, 'iou': scores.iou[:, best], 'chance': scores.area}
    return {OBSERVATIONS[index]: {'lesions': int((observations == index).sum())}
            | {name: float(values[observations == index].mean()) for name, values in columns.items()}
            for index in np.unique(observations)}
