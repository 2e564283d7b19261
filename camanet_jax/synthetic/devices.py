"""Support devices, drawn as lesions.py says: metal and plastic, brighter than bone."""

import numpy as np

from camanet_jax.synthetic.anatomy import SIDES, Anatomy, Film
from camanet_jax.synthetic.film import Drawing, ellipse, strokes
from camanet_jax.synthetic.findings import Finding

# Landmarks as (u frontal, v, u lateral); sides are written for the left and mirrored.
CHIN, CARINA = (0.0, -1.05, 0.02), (0.0, -0.34, 0.06)
CAVA, ATRIUM, APEX = (-0.1, -0.3, 0.0), (-0.14, 0.12, -0.12), (0.24, 0.34, -0.38)
CLAVICLE = (0.3, -0.5, -0.2)  # where a vein is entered, below its middle


def _path(film: Film, anatomy: Anatomy, points, rng) -> np.ndarray:
    """A smooth curve [points, 2] through landmarks, in the coordinates of this view."""
    column = 0 if film.view.name == 'frontal' else 2
    corners = np.array([[point[column], point[1]] for point in points])
    if column:
        corners[:, 0] *= anatomy.depth
    corners[1:] += rng.normal(0, 0.012, size=corners[1:].shape)
    t = np.linspace(0, len(corners) - 1, 24)
    rough = np.stack([np.interp(t, np.arange(len(corners)), axis) for axis in corners.T], axis=1)
    padded = np.pad(rough, ((3, 3), (0, 0)), mode='edge')
    return np.stack([np.convolve(axis, np.full(7, 1 / 7), 'valid') for axis in padded.T], axis=1)


def _mirror(point, side: str):
    """A landmark of the left side on the given side."""
    return (SIDES[side] * point[0], point[1], point[2])


def draw_pacemaker(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A generator under the clavicle with leads to the right atrium and ventricle."""
    place = _mirror((rng.uniform(0.46, 0.56), rng.uniform(-0.4, -0.3), -0.42), side)
    frontal = film.view.name == 'frontal'
    radii = (0.12, 0.105) if frontal else (0.035, 0.1)
    can = ellipse(film.view, (place[0] if frontal else place[2] * anatomy.depth, place[1]), radii)
    entry = _mirror(CLAVICLE, side)
    ends = [ATRIUM] if rng.random() < 0.3 else [ATRIUM, APEX]
    leads = [_path(film, anatomy, [place, entry, CAVA, ATRIUM, end], rng) for end in ends]
    wires = strokes(film.view, leads, 0.017)
    picture = np.maximum(can, 0.8 * wires)
    return 1.1 * can + 0.5 * wires * (1 - can), picture


def draw_port(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A chamber on the chest wall with a catheter to the superior vena cava."""
    place = _mirror((rng.uniform(0.4, 0.5), rng.uniform(-0.3, -0.2), -0.45), side)
    frontal = film.view.name == 'frontal'
    centre = (place[0] if frontal else place[2] * anatomy.depth, place[1])
    wide = 1 if frontal else 0.5
    chamber = ellipse(film.view, centre, (0.075 * wide, 0.075), softness=0.2)
    hole = ellipse(film.view, centre, (0.035 * wide, 0.035), softness=0.3)
    points = [place, _mirror((0.3, -0.62, -0.1), side), _mirror((0.14, -0.55, 0.0), side), CAVA]
    path = _path(film, anatomy, [*points, (-0.11, -0.05, -0.02)], rng)
    catheter = strokes(film.view, [path], 0.018)
    picture = np.maximum(chamber, 0.8 * catheter)
    return 0.7 * chamber - 0.3 * hole + 0.4 * catheter * (1 - chamber), picture


def draw_central_line(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A catheter from the neck down to the superior vena cava."""
    points = [_mirror((0.2, -1.05, -0.02), side), _mirror((0.13, -0.7, 0.0), side), CAVA]
    end = (-0.11, rng.uniform(-0.12, 0.02), -0.03)
    picture = strokes(film.view, [_path(film, anatomy, [*points, end], rng)], 0.02)
    return 0.42 * picture, picture


def draw_windpipe_tube(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A tube in the windpipe, its walls denser than its bore."""
    end = (0.0, CARINA[1] - rng.uniform(0.05, 0.15), 0.055)
    path = _path(film, anatomy, [CHIN, (0.0, -0.7, 0.03), end], rng)
    picture = strokes(film.view, [path], 0.055)
    bore = strokes(film.view, [path], 0.02)
    return 0.42 * picture - 0.22 * bore, picture


def draw_chest_tube(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A thick tube through the lower side of the chest wall, up towards the apex."""
    points = [(0.98, 0.42, 0.35), (0.62, 0.2, 0.3), (0.5, -0.15, 0.25), (0.36, -0.42, 0.2)]
    path = _path(film, anatomy, [_mirror(point, side) for point in points], rng)
    picture = strokes(film.view, [path], 0.04)
    bore = strokes(film.view, [path], 0.015)
    return 0.5 * picture - 0.25 * bore, picture
