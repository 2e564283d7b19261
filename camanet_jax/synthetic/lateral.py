"""The lateral film of a synthetic patient (the chest's front is the film's left)."""

import numpy as np

from camanet_jax.synthetic.anatomy import SIDES, Anatomy, Film, border, grow_vessel, rib_section
from camanet_jax.synthetic.film import Picture, View, clouds, edge, ellipse, strokes


def draw_lateral(anatomy: Anatomy, view: View) -> Film:
    """The lateral film: both lungs over each other, heart in front, spine behind."""
    rng = np.random.default_rng(anatomy.texture_seed + 1)
    lungs = {f'{side} lung': lateral_lung(anatomy, view, side) for side in SIDES}
    lung = np.maximum(lungs['right lung'], lungs['left lung'])
    both = np.minimum(lungs['right lung'], lungs['left lung'])
    heart, mediastinum = lateral_heart(anatomy, view), lateral_mediastinum(anatomy, view)
    trunk = _lateral_trunk(anatomy, view)
    air = (0.5 * both + 0.5 * lung) * (1 - 0.6 * heart) * (1 - 0.35 * mediastinum)
    attenuation = trunk * (1.05 - 0.75 * air)
    attenuation += 0.32 * (1 - lung) * edge(view.v - anatomy.diaphragm + 0.05, 0.3) * trunk
    vessels = lung * _lateral_vessels(anatomy, view, rng)
    attenuation += vessels + anatomy.bone * _lateral_bones(anatomy, view)
    attenuation += _raised_arms(anatomy, view) - 0.16 * _lateral_trachea(anatomy, view)
    regions = {**lungs, 'heart': heart, 'mediastinum': mediastinum, 'vessels': vessels}
    return Film(view, attenuation.astype(np.float32), regions)


def lateral_walls(anatomy: Anatomy, view: View) -> tuple[Picture, Picture]:
    """u of the inner chest wall: the sternum in front and the ribs behind the spine."""
    levels = [anatomy.apex, -0.6, -0.3, 0.0, 0.4, 1.1]
    front = border(view, levels, [-0.1, -0.3, -0.5, -0.58, -0.58, -0.52])
    back = border(view, levels, [0.22, 0.42, 0.58, 0.63, 0.6, 0.48])
    return anatomy.depth * front, anatomy.depth * back


def lateral_lung(anatomy: Anatomy, view: View, side: str) -> Picture:
    """Soft mask of one lung; its back reaches lower than its front."""
    front, back = lateral_walls(anatomy, view)
    top = anatomy.diaphragm + (0.05 if side == 'left' else -0.01)
    behind = view.u / anatomy.depth + 0.15
    floor = top + anatomy.dome * np.where(behind > 0, np.float32(2.9), np.float32(1.2)) * behind**2
    inside = edge(view.u - front, 0.03) * edge(back - view.u, 0.03)
    return inside * edge(floor - view.v, 0.025) * edge(view.v - anatomy.apex, 0.05)


def lateral_heart(anatomy: Anatomy, view: View) -> Picture:
    """Soft mask of the heart, low and in front."""
    size = anatomy.heart_size
    centre = (-0.3 * anatomy.depth + 0.1 * (size - 1), anatomy.diaphragm - 0.13 * size)
    body = ellipse(view, centre, (0.38 * size, 0.27 * size), 0.75, softness=0.3)
    return body * edge(anatomy.diaphragm + 0.05 - view.v, 0.08)


def lateral_mediastinum(anatomy: Anatomy, view: View) -> Picture:
    """Soft mask of the great vessels: the aortic arch and the lung roots' surroundings."""
    wide = anatomy.mediastinum_width / 0.125
    arch = ellipse(view, (0.02, -0.32), (0.2 * wide, 0.15 * wide), 0.3, softness=0.6)
    return np.maximum(arch, ellipse(view, (-0.02, -0.1), (0.13 * wide, 0.2), softness=0.6))


def _lateral_trunk(anatomy: Anatomy, view: View) -> Picture:
    """Thickness of soft tissue from the breast or belly to the back."""
    front, back = lateral_walls(anatomy, view)
    breast = anatomy.breast * np.exp(-(((view.v - 0.25) / 0.3) ** 2))
    fat = anatomy.body_width - 0.8
    chest = edge(view.u - front + 0.1 + fat + breast, 0.03) * edge(back + 0.13 + fat - view.u, 0.03)
    middle = (view.u - (front + back) / 2) / (back - front + 0.2)
    chest *= 1.1 - 1.4 * middle**2
    neck = edge(0.28 - np.abs(view.u - 0.08), 0.04) * edge(-0.6 - view.v, 0.1)
    return np.maximum(chest * edge(view.v + 0.85, 0.25), 0.8 * neck) * 0.85


def _raised_arms(anatomy: Anatomy, view: View) -> Picture:
    """The haze of the shoulders over the lung tops."""
    return 0.5 * ellipse(view, (0.05, -0.9), (0.85, 0.42), 0.15, softness=0.5)


def _lateral_trachea(anatomy: Anatomy, view: View) -> Picture:
    """The air column from the neck to the lung roots, 1 inside."""
    return strokes(view, [[[0.02, -1.0], [0.03, -0.6], [0.07, -0.2]]], 0.09)


def lateral_spine(anatomy: Anatomy, v: Picture | float) -> Picture | float:
    """u of the middle of the vertebrae at height `v`."""
    return anatomy.depth * (0.44 - 0.28 * (v - 0.05) ** 2 + 0.12 * np.minimum(v, 0) ** 2)


def _lateral_bones(anatomy: Anatomy, view: View) -> Picture:
    """Vertebrae with disc gaps, rib pairs slanting down to the front, and the sternum."""
    front, back = lateral_walls(anatomy, view)
    across = np.abs(view.u - lateral_spine(anatomy, view.v))
    level = np.abs((view.v / 0.15) % 1 - 0.5)
    vertebra = edge(0.085 - across, 0.02) * edge(0.4 - level, 0.08)
    rim = vertebra * (0.6 + 0.5 * edge(across - 0.06, 0.02) + 0.4 * edge(level - 0.3, 0.05))
    slant = view.v + 0.55 * (view.u - back) ** 2 + 0.55 * (view.u - back)
    inside = edge(view.u - front, 0.04) * edge(back + 0.03 - view.u, 0.04)
    phase = slant / (1.1 * anatomy.rib_spacing)
    ribs = inside * (rib_section(phase) + 0.7 * rib_section(phase + 0.4))
    sternum = edge(0.03 - np.abs(view.u - front + 0.04), 0.015) * edge(0.35 - view.v, 0.1)
    fading = edge(view.v - anatomy.apex, 0.1) * edge(0.75 - view.v, 0.3)
    ribs *= 0.5 - 0.25 * edge(back - 0.02 - view.u, 0.3)
    return rim * (0.75 - 0.35 * edge(view.v, 0.6)) + fading * (ribs + 0.9 * sternum)


def _lateral_vessels(anatomy: Anatomy, view: View, rng: np.random.Generator) -> Picture:
    """Vessels from the lung roots in all directions, the roots' own density, a fine mottle."""
    paths, widths = [], []
    for angle in rng.uniform(0, 2 * np.pi, size=12):
        heading = np.array([np.cos(angle), np.sin(angle)])
        start, length = rng.normal((0.0, -0.08), 0.07), rng.uniform(0.18, 0.35)
        grow_vessel(rng, start, heading, length, 0.03, paths, widths)
    tree = strokes(view, paths, widths)
    root = ellipse(view, (0.04, -0.1), (0.08, 0.14), softness=0.5)
    root += 0.7 * ellipse(view, (-0.06, -0.02), (0.08, 0.07), softness=0.5)
    mottle = 0.012 * clouds(rng, view.size, 40) + 0.012 * clouds(rng, view.size, 14)
    return 0.09 * tree * edge(0.45 - np.hypot(view.u, view.v), 0.4) + 0.15 * root + mottle
