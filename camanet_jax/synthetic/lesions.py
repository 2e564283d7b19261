"""Findings drawn into a film, each with its mask.

Every drawing function takes the film, the anatomy, the finding, one side and a generator, and returns its
contribution to the attenuation and its soft mask, both [height, width]. The generator has the same seed in
both views and draws the position first, so that a finding lies at one point of the chest.
"""

import dataclasses
import math

import numpy as np

from camanet_jax.synthetic import devices, pleura
from camanet_jax.synthetic.anatomy import SIDES, Anatomy, Film
from camanet_jax.synthetic.film import Drawing, Picture, View, clouds, edge, ellipse, strokes
from camanet_jax.synthetic.findings import Finding
from camanet_jax.synthetic.frontal import cage_width

HEART_GROWTH = {'small': 1.27, 'moderate': 1.42, 'large': 1.58}
ZONE_HEIGHT = {'upper': 0.3, 'mid': 0.53, 'lower': 0.8}  # 0 at the apex, 1 at the diaphragm
ZONE_DEPTH = {'upper': -0.02, 'mid': -0.2, 'lower': 0.22}  # u in the lateral view


def grow_anatomy(anatomy: Anatomy, findings: tuple[Finding, ...]) -> Anatomy:
    """Changes the measures that findings affect, before the films are drawn."""
    changes = {}
    for finding in findings:
        if finding.kind == 'cardiomegaly':
            changes['heart_size'] = anatomy.heart_size * HEART_GROWTH[finding.size]
        elif finding.kind == 'wide_mediastinum':
            changes['mediastinum_width'] = 1.75 * anatomy.mediastinum_width
        elif finding.kind == 'low_volumes':
            changes['diaphragm'] = anatomy.diaphragm - 0.2
        elif finding.kind == 'hyperexpanded':
            changes |= {'diaphragm': anatomy.diaphragm + 0.16, 'dome': 0.3 * anatomy.dome}
        elif finding.kind == 'scoliosis':
            changes['spine_bend'] = math.copysign(0.13, anatomy.spine_bend)
    return dataclasses.replace(anatomy, **changes)


def add_finding(film: Film, anatomy: Anatomy, finding: Finding, seed: int) -> tuple[Film, Picture]:
    """Draws one finding; returns the new film and the soft mask [height, width], zero where nothing is visible."""
    attenuation, mask = film.attenuation, np.zeros_like(film.attenuation)
    for side in finding.sides:
        rng = np.random.default_rng([seed, side == 'left'])
        added, its_mask = _DRAW[finding.kind](film, anatomy, finding, side, rng)
        attenuation = attenuation + added
        mask = np.maximum(mask, its_mask)
    return dataclasses.replace(film, attenuation=attenuation.astype(np.float32)), mask


def _centre(view: View, anatomy: Anatomy, finding: Finding, side: str, rng) -> tuple[float, float]:
    """Draws a point in the finding's zone, in the coordinates of this view."""
    height = ZONE_HEIGHT[finding.zone] + rng.uniform(-0.05, 0.05)
    reach, depth = rng.uniform(0.5, 0.68), ZONE_DEPTH[finding.zone] + rng.uniform(-0.08, 0.08)
    v = anatomy.apex + height * (anatomy.diaphragm - anatomy.apex)
    if view.name == 'lateral':
        return anatomy.depth * depth, v
    return SIDES[side] * reach * float(cage_width(anatomy, v)), v


def _ragged(view: View, centre, radii, rng, softness: float) -> Picture:
    """An ellipse with an irregular border."""
    du, dv = (view.u - centre[0]) / radii[0], (view.v - centre[1]) / radii[1]
    return edge(1 - np.hypot(du, dv) + 0.22 * clouds(rng, view.size, 9), softness)


def _region(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """Marks a finding that the anatomy itself already shows; nothing is added."""
    if finding.kind == 'cardiomegaly':
        return np.float32(0), film.regions['heart']
    level = film.view.v - anatomy.apex
    above_heart = edge(level, 0.05) * edge(0.75 - level, 0.05)
    return np.float32(0), film.regions['mediastinum'] * above_heart


def _unmarked(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A variant of the whole chest: nothing to add or to mark."""
    return np.float32(0), np.float32(0)


def _opacity(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A hazy patch with an irregular, soft border."""
    centre = _centre(film.view, anatomy, finding, side, rng)
    radius = {'small': 0.17, 'moderate': 0.22, 'large': 0.29}[finding.size]
    radii = radius * rng.uniform(0.9, 1.15, size=2)
    patch = _ragged(film.view, centre, radii, rng, 0.55) * film.regions[f'{side} lung']
    return rng.uniform(0.26, 0.36) * patch, patch


def _consolidation(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A dense part of a lobe, cut off by a fissure, with air-filled bronchi in it."""
    centre = np.array(_centre(film.view, anatomy, finding, side, rng))
    radii = rng.uniform(0.27, 0.34, size=2)
    slope = rng.uniform(-0.15, 0.15)
    patch = _ragged(film.view, centre, radii, rng, 0.2) * film.regions[f'{side} lung']
    fissure = film.view.v - centre[1] - slope * (film.view.u - centre[0])
    patch = patch * edge((fissure + 0.12) * (-1 if finding.zone == 'upper' else 1) + 0.02, 0.02)
    ends = centre + rng.uniform(-0.2, 0.2, size=(4, 2))
    bronchi = strokes(film.view, [np.stack([centre, end]) for end in ends], 0.018)
    return patch * (0.48 - 0.2 * bronchi) * (1 - 0.7 * film.regions['heart']), patch


def _pneumonia(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A cluster of dense, confluent patches."""
    centre = np.array(_centre(film.view, anatomy, finding, side, rng))
    patches = np.zeros_like(film.view.u)
    for offset in rng.uniform(-0.17, 0.17, size=(7, 2)):
        patch = _ragged(film.view, centre + offset, rng.uniform(0.06, 0.11, size=2), rng, 0.45)
        patches = np.maximum(patches, patch)
    patches = patches * film.regions[f'{side} lung']
    return rng.uniform(0.34, 0.42) * patches * (1 - 0.7 * film.regions['heart']), patches


def _edema(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A symmetrical haze around the lung roots, heavier vessels, short lines at the bases."""
    view, lung = film.view, np.maximum(film.regions['left lung'], film.regions['right lung'])
    across = np.abs(view.u) - 0.22 if view.name == 'frontal' else view.u
    haze = np.exp(-((across / 0.27) ** 2) - ((view.v - 0.03) / 0.36) ** 2)
    strength = {'small': 0.26, 'moderate': 0.34, 'large': 0.42}[finding.size]
    mottled = haze * (1 + 0.25 * clouds(rng, view.size, 24))
    levels = anatomy.diaphragm - rng.uniform(0.0, 0.3, size=14)
    walls = np.repeat([-1, 1], 7) * (anatomy.chest_width - 0.04)
    paths = [[[u, v], [0.84 * u, v]] for u, v in zip(walls, levels, strict=True)]
    lines = strokes(view, paths, 0.012)
    added = lung * (strength * mottled + 0.1 * lines) + 0.6 * film.regions['vessels']
    return added, edge(haze - 0.45, 0.1) * lung


def _atelectasis(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """Two or three dense bands, nearly horizontal."""
    centre = np.array(_centre(film.view, anatomy, finding, side, rng))
    bands = []
    for step in range(rng.integers(2, 4)):
        start = centre + [rng.uniform(-0.24, -0.16), 0.085 * step + rng.uniform(-0.03, 0.03)]
        bands.append(np.stack([start, start + [rng.uniform(0.3, 0.44), rng.uniform(-0.08, 0.08)]]))
    picture = strokes(film.view, bands, 0.036) * film.regions[f'{side} lung']
    return 0.34 * picture, picture


def _nodule(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A round, well-defined shadow."""
    centre = _centre(film.view, anatomy, finding, side, rng)
    ball = ellipse(film.view, centre, rng.uniform(0.055, 0.085) * np.array([1, 1.05]), softness=0.3)
    return rng.uniform(0.3, 0.4) * ball, ball


_DRAW = {
    'cardiomegaly': _region,
    'wide_mediastinum': _region,
    'opacity': _opacity,
    'consolidation': _consolidation,
    'pneumonia': _pneumonia,
    'edema': _edema,
    'atelectasis': _atelectasis,
    'nodule': _nodule,
    'effusion': pleura.draw_effusion,
    'pneumothorax': pleura.draw_pneumothorax,
    'thickening': pleura.draw_thickening,
    'fracture': pleura.draw_fracture,
    'pacemaker': devices.draw_pacemaker,
    'port': devices.draw_port,
    'central_line': devices.draw_central_line,
    'endotracheal_tube': devices.draw_windpipe_tube,
    'chest_tube': devices.draw_chest_tube,
    'low_volumes': _unmarked,
    'hyperexpanded': _unmarked,
    'scoliosis': _unmarked,
    'degenerative': pleura.draw_degenerative,
}
