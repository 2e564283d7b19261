"""Agreement of maps with masks: pointing game, energy inside, IoU, for n maps and masks at once.

Maps and masks are compared on the maps' own patches: a patch's value is spread evenly over its pixels, and the mask is
the share of each patch that it covers. Upsampling a 7 x 7 map to pixels would invent detail that the model never
computed. All three measures of a map that is the same everywhere are the lesion's share of the films' area: chance.
P patches of all views of a study, which are one canvas, as they are for attention and for the maps' scaling.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

# Of maps scaled to [0, 1]. Not 0, which marks the whole film whatever the map: the best threshold could then never be
# worse than chance.
THRESHOLDS = np.linspace(0.025, 1, 40)

Maps = Float[np.ndarray, 'n P']


@dataclasses.dataclass(frozen=True)
class MapScores:
    """Scores of n maps.

    Attributes:
      pointing, energy, iou: [n]. threshold: the IoU's best one over all maps.
      area: [n], each lesion's share of the films: what every measure is for a uniform map.
      flat: [n], True where the map is the same everywhere.
    """

    pointing: np.ndarray
    energy: np.ndarray
    iou: np.ndarray
    threshold: float
    area: np.ndarray
    flat: np.ndarray


def score_maps(maps: Maps, shares: Maps, studies: Sequence[str]) -> MapScores:
    """Every measure of non-negative maps against the shares of their patches that the lesions of n studies cover."""
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
    """The pointing game: how much of the strongest patch is lesion.

    This is the probability that a point drawn in the strongest patch hits; a lesion smaller than a patch cannot be hit
    surely. Patches that tie share the point.
    """
    strongest = maps == maps.max(-1, keepdims=True)
    return (strongest * shares).sum(-1) / strongest.sum(-1)


def energy(maps: Maps, shares: Maps) -> Float[np.ndarray, ' n']:
    """The share of the map's sum inside the lesion; a map of zeros counts as uniform."""
    maps = np.where(maps.sum(-1, keepdims=True) > 0, maps, 1.0)
    return (maps * shares).sum(-1) / maps.sum(-1)


def ious(maps: Maps, shares: Maps) -> Float[np.ndarray, 'n thresholds']:
    """Intersection over union of the lesion with the patches at or above each threshold.

    Each map is scaled to [0, 1] first; a flat one becomes 1 throughout: it marks the whole film.
    """
    low, high = maps.min(-1, keepdims=True), maps.max(-1, keepdims=True)
    scaled = np.where(high > low, (maps - low) / np.where(high > low, high - low, 1), 1.0)
    marked = scaled[:, None] >= THRESHOLDS[:, None]  # --> [n, thresholds, P]
    inside = (marked * shares[:, None]).sum(-1)
    return inside / (marked.sum(-1) + shares.sum(-1, keepdims=True) - inside)


def at_others_best(every: Float[np.ndarray, 'n thresholds'], studies: Sequence[str]) -> Float[np.ndarray, ' n']:
    """Each lesion's IoU at the threshold that is best, in the mean, for the lesions of all other studies.

    A threshold chosen on the lesions it is then judged on would beat chance even with meaningless maps, and one chosen
    for every map by itself much more so. Where there is only one study its own best is taken.
    """
    rows = np.unique(studies, return_inverse=True)[1]
    sums = np.zeros((rows.max() + 1, every.shape[1]))
    np.add.at(sums, rows, every)
    others = sums.sum(0) - sums if len(sums) > 1 else sums
    return every[np.arange(len(every)), others.argmax(1)[rows]]
