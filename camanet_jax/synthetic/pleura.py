"""Findings of the pleura and of the bones; the interface is that of lesions.py."""

import dataclasses

import numpy as np

from camanet_jax.synthetic.anatomy import SIDES, Anatomy, Film
from camanet_jax.synthetic.film import Drawing, clouds, edge, ellipse, strokes
from camanet_jax.synthetic.findings import Finding
from camanet_jax.synthetic.frontal import cage_width, frontal_lung, spine_centre
from camanet_jax.synthetic.lateral import lateral_lung, lateral_spine, lateral_walls

FLUID_HEIGHT = {'small': 0.16, 'moderate': 0.34, 'large': 0.58}
COLLAPSE = {'small': 0.84, 'moderate': 0.7, 'large': 0.5}  # width left to the lung


def draw_effusion(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """Fluid over the diaphragm, its upper border rising to the chest wall (meniscus)."""
    view, lung = film.view, film.regions[f'{side} lung']
    height = FLUID_HEIGHT[finding.size] * rng.uniform(0.88, 1.12)
    if view.name == 'frontal':
        rise = np.clip(SIDES[side] * view.u / anatomy.chest_width, 0, 1.1) ** 2
    else:
        rise = np.clip((view.u / anatomy.depth + 0.5) / 1.1, 0, 1.1) ** 2
    floor = anatomy.diaphragm + anatomy.dome * (1 if view.name == 'frontal' else 1.3)
    surface = floor - height * (0.45 + 0.55 * rise)
    fluid = edge(view.v - surface, 0.035) * edge(rise - 0.08, 0.04) * lung
    return fluid * (0.5 - 0.25 * film.regions['heart']) - fluid * film.regions['vessels'], fluid


def draw_pneumothorax(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """Black air without vessels around a smaller, denser lung with a thin white border."""
    view, lung = film.view, film.regions[f'{side} lung']
    left = COLLAPSE[finding.size] * rng.uniform(0.96, 1.04)
    lift = (1 - left) * (anatomy.diaphragm - anatomy.apex)
    shrunk = dataclasses.replace(
        anatomy,
        apex=anatomy.apex + 0.6 * lift,
        chest_width=anatomy.chest_width * left,
        depth=anatomy.depth * (0.3 + 0.7 * left),
    )
    outline = (frontal_lung if view.name == 'frontal' else lateral_lung)(shrunk, view, side)
    air = lung * (1 - outline)
    border = 4 * outline * (1 - outline) * lung
    collapsed = outline * lung * (0.06 + 0.2 * (1 - left))
    weight = 1.0 if view.name == 'frontal' else 0.5
    return weight * (collapsed + 0.12 * border - air * (0.14 + film.regions['vessels'])), air


def draw_thickening(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """An uneven dense rind along the chest wall."""
    view, lung = film.view, film.regions[f'{side} lung']
    middle, extent = rng.uniform(-0.25, 0.2), rng.uniform(0.22, 0.34)
    if view.name == 'frontal':
        gap = cage_width(anatomy, view.v) - SIDES[side] * view.u
    else:
        gap = lateral_walls(anatomy, view)[1] - view.u
    thick = 0.085 * (1 + 0.25 * clouds(rng, view.size, 8))
    rind = edge(thick - gap, 0.02) * edge(extent - np.abs(view.v - middle), 0.08) * lung
    return 0.36 * rind, rind


def draw_fracture(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A dark break through a rib at the chest wall, its ends displaced and dense."""
    view = film.view
    height = {'upper': 0.35, 'mid': 0.6, 'lower': 0.85}[finding.zone] + rng.uniform(-0.05, 0.05)
    v = anatomy.apex + height * (anatomy.diaphragm - anatomy.apex)
    frontal = view.name == 'frontal'
    u = SIDES[side] * 0.88 * float(cage_width(anatomy, v)) if frontal else 0.5 * anatomy.depth
    inward = -SIDES[side] if frontal else -1
    ends = [
        [[u + inward * 0.015, v - 0.035], [u + inward * 0.11, v - 0.075]],
        [[u - inward * 0.015, v + 0.035], [u - inward * 0.08, v + 0.1]],
    ]
    bone = strokes(view, ends, 0.045)
    gap = strokes(view, [[[u - 0.05, v - 0.03], [u + 0.05, v + 0.03]]], 0.02)
    return (1.0 if frontal else 0.5) * (0.36 * bone - 0.22 * gap), ellipse(view, (u, v), (0.1, 0.11), softness=0.2)


def draw_degenerative(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """Bony spurs bridging the discs at the borders of the spine; no observation, so no mask."""
    view = film.view
    paths = []
    for v in 0.135 * (np.arange(7) - 1) + rng.uniform(-0.02, 0.02):
        if view.name == 'frontal':
            middle = float(spine_centre(anatomy, v))
            paths += [_spur(middle + 0.1 * sign, v, sign) for sign in (-1, 1)]
        else:
            paths.append(_spur(float(lateral_spine(anatomy, v)) - 0.09, v, -1))
    return 0.26 * strokes(view, paths, 0.035), np.float32(0)


def _spur(u: float, v: float, sign: int) -> np.ndarray:
    """A beak pointing away from the spine."""
    root = u - sign * 0.02
    return np.array([[root, v - 0.05], [u + sign * 0.035, v], [root, v + 0.05]])
