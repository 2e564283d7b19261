"""Scores of maps on lesions, and their means over many lesions with intervals over studies, beside chance.

The scores are the pointing game, the energy inside the lesion, and IoU. Maps and masks are compared on the maps' own
patches: a patch's value is spread evenly over its pixels, and a mask becomes the share of each patch that it covers.
Upsampling a 7 x 7 map to pixels would invent detail that the model never computed. For a uniform map, all three scores
are the lesion's share of the films' area: chance. n lesions, P patches of all views of a study, which are one canvas,
as they are for attention and for the scaling of maps.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from camanet_jax.lab.alignment.lesions import Lesion
from camanet_jax.metrics.bootstrap import StudyStatistics, bootstrap_interval, resampling_weights

# For maps scaled to [0, 1]. At 0 every map marks the whole film, and the best threshold could never be worse than
# chance.
THRESHOLDS = np.linspace(0.025, 1, 40)

Maps = Float[np.ndarray, 'n P']

MEASURES = ('pointing', 'energy', 'iou')
FEW = 30  # fewer lesions allow no claim


@dataclasses.dataclass(frozen=True)
class MapScores:
    """Scores of n maps."""

    pointing: np.ndarray  # [n]
    energy: np.ndarray  # [n]
    iou: np.ndarray  # [n]
    threshold: float  # the best for the IoU of all maps
    area: np.ndarray  # [n], each lesion's share of the films, which is every score of a uniform map
    flat: np.ndarray  # bool [n], True for uniform maps


def score_maps(maps: Maps, shares: Maps, studies: Sequence[str]) -> MapScores:
    """Scores non-negative maps against `shares`, the share of each patch that a lesion covers; `studies` names n."""
    maps, shares = np.asarray(maps, np.float64), np.asarray(shares, np.float64)
    every = ious(maps, shares)
    return MapScores(
        pointing(maps, shares),
        energy(maps, shares),
        at_others_best(every, studies),
        float(THRESHOLDS[every.mean(0).argmax()]),
        shares.mean(-1),
        maps.max(-1) == maps.min(-1),
    )


def pointing(maps: Maps, shares: Maps) -> Float[np.ndarray, ' n']:
    """The pointing game: the lesion's share of the strongest patch, or of those that tie.

    This is the probability that a point drawn in the strongest patch lies in the lesion.
    """
    strongest = maps == maps.max(-1, keepdims=True)
    return (strongest * shares).sum(-1) / strongest.sum(-1)


def energy(maps: Maps, shares: Maps) -> Float[np.ndarray, ' n']:
    """The share of the map's sum that is inside the lesion; a map of zeros counts as uniform."""
    maps = np.where(maps.sum(-1, keepdims=True) > 0, maps, 1.0)
    return (maps * shares).sum(-1) / maps.sum(-1)


def ious(maps: Maps, shares: Maps) -> Float[np.ndarray, 'n thresholds']:
    """Intersection over union of the lesion with the patches at or above each threshold.

    Each map is scaled to [0, 1] first; a flat one becomes 1 everywhere and marks the whole film.
    """
    low, high = maps.min(-1, keepdims=True), maps.max(-1, keepdims=True)
    scaled = np.where(high > low, (maps - low) / np.where(high > low, high - low, 1), 1.0)
    marked = scaled[:, None] >= THRESHOLDS[:, None]  # --> [n, thresholds, P]
    inside = (marked * shares[:, None]).sum(-1)
    return inside / (marked.sum(-1) + shares.sum(-1, keepdims=True) - inside)


def at_others_best(every: Float[np.ndarray, 'n thresholds'], studies: Sequence[str]) -> Float[np.ndarray, ' n']:
    """Each lesion's IoU at the threshold that is best, on average, for the lesions of all other studies.

    A threshold chosen on the lesions on which it is scored would beat chance even with meaningless maps, and one chosen
    for every single map much more so. A single study gets its own best threshold.
    """
    rows = np.unique(studies, return_inverse=True)[1]
    sums = np.zeros((rows.max() + 1, every.shape[1]))
    np.add.at(sums, rows, every)
    others = sums.sum(0) - sums if len(sums) > 1 else sums
    return every[np.arange(len(every)), others.argmax(1)[rows]]


@dataclasses.dataclass(frozen=True)
class MapSet:
    """One kind of map for all n lesions that have it."""

    lesions: list[Lesion]
    maps: Float[np.ndarray, 'n P']

    @property
    def shares(self) -> Float[np.ndarray, 'n P']:
        """The share of each patch that each lesion covers."""
        return np.stack([lesion.share.reshape(-1) for lesion in self.lesions])

    @property
    def studies(self) -> list[str]:
        """The study of each lesion, the unit of resampling."""
        return [lesion.study_id for lesion in self.lesions]

    def scores(self) -> MapScores:
        """The scores of every lesion."""
        return score_maps(self.maps, self.shares, self.studies)


def compare(
    values: Float[np.ndarray, ' n'], baseline: Float[np.ndarray, ' n'], studies: Sequence[str]
) -> dict[str, float]:
    """The mean over lesions, a baseline's, and their difference, with 95% intervals; whole studies are resampled."""
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
    """The entry of a kind of map: every score beside chance and other studies' maps, and means by observation."""
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
    """Compares each map with that of another study with the same observation.

    A map of where such lesions usually are, whatever the film shows, beats chance but gains nothing here.
    """
    giver = exchange(np.array([lesion.observation for lesion in measured.lesions]))
    kept = np.flatnonzero(giver != np.arange(len(giver)))
    if not len(kept):
        return {'lesions': 0}
    lesions = [measured.lesions[i] for i in kept]
    own, other = (MapSet(lesions, measured.maps[indices]).scores() for indices in (kept, giver[kept]))
    studies = [lesion.study_id for lesion in lesions]
    return {'lesions': len(kept)} | {
        name: compare(getattr(own, name), getattr(other, name), studies) for name in MEASURES
    }


def exchange(observations: Int[np.ndarray, ' n']) -> Int[np.ndarray, ' n']:
    """The index of the next lesion with the same observation, in a circle; a lesion's own where it is the only one."""
    giver = np.arange(len(observations))
    for observation in np.unique(observations):
        indices = np.flatnonzero(observations == observation)
        giver[indices] = np.roll(indices, -1)
    return giver


def lesion_scores(measured: MapSet) -> list[dict[str, float]]:
    """The scores of every lesion by name."""
    scores = measured.scores()
    columns = scores.pointing, scores.energy, scores.iou, scores.area
    return [dict(zip((*MEASURES, 'chance'), map(float, row), strict=True)) for row in zip(*columns, strict=True)]


def by_observation(measured: MapSet) -> dict[str, Any]:
    """Means over the lesions of each observation."""
    rows = list(zip(measured.lesions, lesion_scores(measured), strict=True))
    means = {}
    for name in sorted({lesion.name for lesion in measured.lesions}):
        own = [row for lesion, row in rows if lesion.name == name]
        means[name] = {'lesions': len(own)} | {key: float(np.mean([row[key] for row in own])) for key in own[0]}
    return means
