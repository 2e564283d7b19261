"""Scores of many lesions as means with intervals over studies, beside chance and beside other studies' maps.

n lesions, P patches of all views.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from camanet_jax.lab.alignment.lesions import Lesion
from camanet_jax.lab.alignment.scores import MapScores, score_maps
from camanet_jax.metrics.bootstrap import StudyStatistics, bootstrap_interval, resampling_weights

MEASURES = ('pointing', 'energy', 'iou')
FEW = 30  # lesions; of fewer nothing is claimed


@dataclasses.dataclass(frozen=True)
class MapSet:
    """One kind of map for all lesions that have it.

    Attributes:
      lesions: n of them. maps: [n, P].
    """

    lesions: list[Lesion]
    maps: Float[np.ndarray, 'n P']

    @property
    def shares(self) -> Float[np.ndarray, 'n P']:
        """The share of each patch that each lesion covers."""
        return np.stack([lesion.share.reshape(-1) for lesion in self.lesions])

    @property
    def studies(self) -> list[str]:
        """The lesions' studies, which are what is drawn anew."""
        return [lesion.study_id for lesion in self.lesions]

    def scores(self) -> MapScores:
        """Every measure of every lesion."""
        return score_maps(self.maps, self.shares, self.studies)


def compare(
    values: Float[np.ndarray, ' n'], baseline: Float[np.ndarray, ' n'], studies: Sequence[str]
) -> dict[str, float]:
    """The mean over lesions, a baseline's, and their difference, with 95% intervals over studies.

    Lesions of one study are drawn together.
    """
    rows = np.unique(studies, return_inverse=True)[1]
    summands = np.zeros((rows.max() + 1, 3))
    np.add.at(summands, rows, np.stack([values, baseline, np.ones(len(values))], axis=1))
    mean = StudyStatistics(summands, lambda sums: sums[..., 0] / sums[..., 2])
    difference = StudyStatistics(summands, lambda sums: (sums[..., 0] - sums[..., 1]) / sums[..., 2])
    weights = resampling_weights(len(summands))
    low, high = bootstrap_interval(mean, weights)
    difference_low, difference_high = bootstrap_interval(difference, weights)
    return {
        'value': mean.value(),
        'low': low,
        'high': high,
        'baseline': float(np.mean(baseline)),
        'difference': difference.value(),
        'difference_low': difference_low,
        'difference_high': difference_high,
    }


def summarise(measured: MapSet) -> dict[str, Any]:
    """One map's entry: every measure against chance and against other studies' maps, and means by observation."""
    scores = measured.scores()
    entry: dict[str, Any] = {
        'lesions': len(measured.lesions),
        'studies': len(set(measured.studies)),
        'flat_maps': int(scores.flat.sum()),
        'threshold': scores.threshold,
    }
    for name in MEASURES:
        entry[name] = compare(getattr(scores, name), scores.area, measured.studies)
        entry[name]['chance'] = entry[name].pop('baseline')
    return entry | {'other_studies': against_other_studies(measured), 'by_observation': by_observation(measured)}


def against_other_studies(measured: MapSet) -> dict[str, Any]:
    """Compares with the map of another study that has the same observation.

    A map that lies where such lesions mostly are, whatever the film shows, beats chance and gains nothing here.
    """
    giver = exchange(np.array([lesion.observation for lesion in measured.lesions]))
    kept = np.flatnonzero(giver != np.arange(len(giver)))
    if not len(kept):
        return {'lesions': 0}
    lesions = [measured.lesions[i] for i in kept]
    own, other = (MapSet(lesions, measured.maps[places]).scores() for places in (kept, giver[kept]))
    studies = [lesion.study_id for lesion in lesions]
    return {'lesions': len(kept)} | {
        name: compare(getattr(own, name), getattr(other, name), studies) for name in MEASURES
    }


def exchange(observations: Int[np.ndarray, ' n']) -> Int[np.ndarray, ' n']:
    """For each lesion the next one with the same observation, round in a circle; itself where it is the only one."""
    giver = np.arange(len(observations))
    for observation in np.unique(observations):
        places = np.flatnonzero(observations == observation)
        giver[places] = np.roll(places, -1)
    return giver


def lesion_scores(measured: MapSet) -> list[dict[str, float]]:
    """The measures of every lesion."""
    scores = measured.scores()
    columns = scores.pointing, scores.energy, scores.iou, scores.area
    return [dict(zip((*MEASURES, 'chance'), map(float, row), strict=True)) for row in zip(*columns, strict=True)]


def by_observation(measured: MapSet) -> dict[str, Any]:
    """Means over the lesions of each observation."""
    rows = list(zip(measured.lesions, lesion_scores(measured), strict=True))
    found = {}
    for name in sorted({lesion.name for lesion in measured.lesions}):
        own = [row for lesion, row in rows if lesion.name == name]
        found[name] = {'lesions': len(own)} | {key: float(np.mean([row[key] for row in own])) for key in own[0]}
    return found
