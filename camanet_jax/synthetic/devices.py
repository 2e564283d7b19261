"""Support devices, metal and plastic, brighter than bone; the interface is that of lesions.py."""

import numpy as np

from camanet_jax.synthetic.anatomy import SIDES, Anatomy, Film
from camanet_jax.synthetic.film import Drawing, ellipse, strokes
from camanet_jax.synthetic.findings import Finding

# Landmarks as (u in the frontal view, v, u in the lateral one), those with a side for the left.
CHIN, CARINA = (0.0, -1.05, 0.02), (0.0, -0.34, 0.06)
CAVA, ATRIUM, APEX = (-0.1, -0.3, 0.0), (-0.14, 0.12, -0.12), (0.24, 0.34, -0.38)
CLAVICLE = (0.3, -0.5, -0.2)  # below its middle, where leads enter the vein


def _project(film: Film, anatomy: Anatomy, landmark) -> tuple[float, float]:
    """(u, v) of a landmark in this view."""
    u, v, lateral_u = landmark
    return (u if film.view.name == 'frontal' else lateral_u * anatomy.depth), v


def _path(film: Film, anatomy: Anatomy, landmarks, rng) -> np.ndarray:
    """A smooth curve [points, 2] through landmarks, in the coordinates of this view."""
    corners = np.array([_project(film, anatomy, landmark) for landmark in landmarks])
    corners[1:] += rng.normal(0, 0.012, size=corners[1:].shape)
    t = np.linspace(0, len(corners) - 1, 24)
    rough = np.stack([np.interp(t, np.arange(len(corners)), axis) for axis in corners.T], axis=1)
    padded = np.pad(rough, ((3, 3), (0, 0)), mode='edge')
    return np.stack([np.convolve(axis, np.full(7, 1 / 7), 'valid') for axis in padded.T], axis=1)


def _mirror(landmark, side: str):
    """A landmark of the left side on the given side."""
    return (SIDES[side] * landmark[0], *landmark[1:])


def draw_pacemaker(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A generator under the clavicle with leads to the right atrium and ventricle."""
    pocket = _mirror((rng.uniform(0.46, 0.56), rng.uniform(-0.4, -0.3), -0.42), side)
    radii = (0.12, 0.105) if film.view.name == 'frontal' else (0.035, 0.1)
    can = ellipse(film.view, _project(film, anatomy, pocket), radii)
    ends = [ATRIUM] if rng.random() < 0.3 else [ATRIUM, APEX]
    leads = [_path(film, anatomy, [pocket, _mirror(CLAVICLE, side), CAVA, ATRIUM, end], rng) for end in ends]
    wires = strokes(film.view, leads, 0.017)
    return 1.1 * can + 0.5 * wires * (1 - can), np.maximum(can, 0.8 * wires)


def draw_port(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A chamber on the chest wall with a catheter to the superior vena cava."""
    pocket = _mirror((rng.uniform(0.4, 0.5), rng.uniform(-0.3, -0.2), -0.45), side)
    centre = _project(film, anatomy, pocket)
    wide = 1 if film.view.name == 'frontal' else 0.5
    chamber = ellipse(film.view, centre, (0.075 * wide, 0.075), softness=0.2)
    hole = ellipse(film.view, centre, (0.035 * wide, 0.035), softness=0.3)
    course = [pocket, _mirror((0.3, -0.62, -0.1), side), _mirror((0.14, -0.55, 0.0), side), CAVA, (-0.11, -0.05, -0.02)]
    catheter = strokes(film.view, [_path(film, anatomy, course, rng)], 0.018)
    added = 0.7 * chamber - 0.3 * hole + 0.4 * catheter * (1 - chamber)
    return added, np.maximum(chamber, 0.8 * catheter)


def draw_central_line(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A catheter from the neck down to the superior vena cava."""
    end = (-0.11, rng.uniform(-0.12, 0.02), -0.03)
    course = [_mirror((0.2, -1.05, -0.02), side), _mirror((0.13, -0.7, 0.0), side), CAVA, end]
    catheter = strokes(film.view, [_path(film, anatomy, course, rng)], 0.02)
    return 0.42 * catheter, catheter


def draw_windpipe_tube(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A tube in the windpipe, its walls denser than its bore."""
    end = (0.0, CARINA[1] - rng.uniform(0.05, 0.15), 0.055)
    path = _path(film, anatomy, [CHIN, (0.0, -0.7, 0.03), end], rng)
    tube = strokes(film.view, [path], 0.055)
    return 0.42 * tube - 0.22 * strokes(film.view, [path], 0.02), tube


def draw_chest_tube(film: Film, anatomy: Anatomy, finding: Finding, side: str, rng) -> Drawing:
    """A thick tube through the lower side of the chest wall, up towards the apex."""
    course = [(0.98, 0.42, 0.35), (0.62, 0.2, 0.3), (0.5, -0.15, 0.25), (0.36, -0.42, 0.2)]
    path = _path(film, anatomy, [_mirror(landmark, side) for landmark in course], rng)
    tube = strokes(film.view, [path], 0.04)
    return 0.5 * tube - 0.25 * strokes(film.view, [path], 0.015), tube
