"""The frontal film of a synthetic patient (posteroanterior: the patient's right is the film's left)."""

import numpy as np

from camanet_jax.synthetic.anatomy import SIDES, Anatomy, Film, border, grow_vessel, rib_section
from camanet_jax.synthetic.film import Picture, View, clouds, edge, ellipse, strokes


def draw_frontal(anatomy: Anatomy, view: View) -> Film:
    """The frontal film: trunk, lungs with vessels, mediastinum and heart, bones, diaphragm."""
    rng = np.random.default_rng(anatomy.texture_seed)
    lungs = {f'{side} lung': frontal_lung(anatomy, view, side) for side in SIDES}
    lung = lungs['right lung'] + lungs['left lung']
    heart, mediastinum = frontal_heart(anatomy, view), frontal_mediastinum(anatomy, view)
    centre = np.maximum(heart, mediastinum)
    air = lung * (1 - 0.8 * centre) * (1 - 0.35 * edge(view.v - anatomy.diaphragm + 0.12, 0.35))
    trunk = _frontal_trunk(anatomy, view)
    attenuation = trunk * (1.0 - 0.8 * air)
    abdomen = _abdomen(anatomy, view, lung, rng)
    attenuation += 0.42 * np.maximum(centre * (0.7 + 0.3 * heart), abdomen)
    vessels = lung * (1 - centre) * _vessels(anatomy, view, rng)
    attenuation += vessels + anatomy.bone * _frontal_bones(anatomy, view)
    attenuation += anatomy.breast * _breasts(anatomy, view)
    regions = {**lungs, 'heart': heart, 'mediastinum': mediastinum, 'vessels': vessels}
    return Film(view, attenuation.astype(np.float32), regions)


def cage_width(anatomy: Anatomy, v: Picture | float) -> Picture | float:
    """Half the inner width of the rib cage at height `v`, 0 above the apex."""
    depth = np.clip((v - anatomy.apex) / 1.15, 0, 1)
    return 0.14 + (anatomy.chest_width - 0.14) * np.sqrt(1 - (1 - depth) ** 2.8)


def diaphragm_level(anatomy: Anatomy, across: Picture, side: str) -> Picture:
    """v of the diaphragm at `across` from the midline: the dome, lower at its edge."""
    top = anatomy.diaphragm + (0.035 if side == 'left' else 0.0)
    return top + anatomy.dome * ((across - 0.32) / (anatomy.chest_width - 0.32)) ** 2


def frontal_lung(anatomy: Anatomy, view: View, side: str) -> Picture:
    """Soft mask of one lung, its part behind the heart included."""
    across = SIDES[side] * view.u
    below_apex = np.clip((view.v - anatomy.apex) / 0.2, 0, 1)
    inner = anatomy.mediastinum_width - 0.04 + 0.2 * (1 - below_apex) ** 2
    outside = edge(cage_width(anatomy, view.v) - across, 0.025) * edge(across - inner, 0.03)
    above = edge(diaphragm_level(anatomy, across, side) - view.v, 0.02)
    return outside * above * edge(view.v - anatomy.apex, 0.03)


def frontal_heart(anatomy: Anatomy, view: View) -> Picture:
    """Soft mask of the heart: right atrium on the film's left, ventricle on its right."""
    size, bottom = anatomy.heart_size, anatomy.diaphragm + 0.1
    levels = [bottom + step for step in (-0.75, -0.6, -0.45, -0.28, -0.12, 0.06)]
    left = [0.0, 0.13, 0.23, 0.38, 0.47, 0.44]
    right = [0.0, 0.1, 0.18, 0.25, 0.26, 0.22]
    left_border = border(view, levels, [size**1.25 * offset for offset in left])
    right_border = border(view, levels, [size * offset for offset in right])
    inside = edge(left_border - view.u, 0.02) * edge(view.u + right_border, 0.02)
    return inside * edge(view.v - levels[0], 0.05) * edge(levels[-1] - view.v, 0.06)


def frontal_mediastinum(anatomy: Anatomy, view: View) -> Picture:
    """Soft mask of the great vessels: the strip beside the spine, aortic knob, lung roots."""
    width, bottom = anatomy.mediastinum_width, anatomy.diaphragm + 0.12
    levels = [-1.0, anatomy.apex, -0.5, -0.3, 0.0, bottom]
    left = width * border(view, levels, [1.0, 0.8, 1.0, 1.25, 1.2, 1.0])
    right = width * border(view, levels, [1.0, 0.8, 0.95, 1.0, 1.0, 0.8])
    strip = edge(left - view.u, 0.02) * edge(view.u + right, 0.02) * edge(bottom - view.v, 0.05)
    knob = ellipse(view, (width, -0.36), (0.085, 0.11), softness=0.25)
    return np.maximum(strip, 0.85 * knob)


def _frontal_trunk(anatomy: Anatomy, view: View) -> Picture:
    """Thickness of soft tissue: neck, shoulders, arms at the sides of the trunk."""
    wide = anatomy.body_width
    neck_shoulders = border(view, [-1.1, -0.88, -0.7, -0.5, -0.2, 1.1], [0.3, 0.36, 0.95, 1.12, wide, wide * 1.04])
    inside = edge(neck_shoulders - np.abs(view.u), 0.03)
    thickness = np.sqrt(np.clip(1.1 - (view.u / neck_shoulders) ** 2, 0.0, 1))
    arms = edge(np.abs(view.u) - wide - 0.1, 0.02) * edge(view.v + 0.45, 0.3)
    return np.maximum(inside * (0.3 + 0.5 * thickness), 0.35 * arms)


def _abdomen(anatomy: Anatomy, view: View, lung: Picture, rng: np.random.Generator) -> Picture:
    """The region below the diaphragm, without the gas in the stomach."""
    below = edge(view.v - anatomy.diaphragm - 0.05, 0.25) * (1 - lung)
    inside = edge(anatomy.chest_width + 0.06 - np.abs(view.u), 0.1)
    stomach = (rng.uniform(0.25, 0.45), anatomy.diaphragm + rng.uniform(0.16, 0.24))
    gas = ellipse(view, stomach, rng.uniform(0.06, 0.16, size=2), softness=0.3) * (1 - lung)
    return inside * (below - rng.uniform(0.3, 1.2) * gas)


def _breasts(anatomy: Anatomy, view: View) -> Picture:
    """Two soft shadows over the lung bases."""
    centre = 0.62 * anatomy.chest_width
    right = ellipse(view, (-centre, 0.28), (0.36, 0.34), softness=0.25)
    return right + ellipse(view, (centre, 0.28), (0.36, 0.34), softness=0.25)


def _frontal_bones(anatomy: Anatomy, view: View) -> Picture:
    """Spine, ribs, clavicles, shoulder blades and upper arms, 1 where bone is thick."""
    ribs = _rib_pattern(anatomy, view)
    return ribs + 1.1 * _frontal_spine(anatomy, view) + _shoulders(view) + _clavicles(view)


def _rib_pattern(anatomy: Anatomy, view: View) -> Picture:
    """Posterior ribs arching down from the spine, anterior ribs slanting up from the side."""
    width = cage_width(anatomy, view.v)
    reach = np.abs(view.u) / np.maximum(width, 0.1)  # 0 at the midline, 1 at the chest wall
    inside = edge(1.03 - reach, 0.05) * edge(view.v - anatomy.apex + 0.02, 0.05)
    back = view.v - anatomy.rib_tilt * (0.3 * reach + reach**3) + 0.06 * np.sin(np.pi * reach)
    front = view.v + 0.5 * reach - 0.45 * reach**2
    wall = edge(reach - 0.93, 0.08)  # the rays run along a rib there, so it looks denser
    fading = edge(0.95 - view.v, 0.35)
    ribs = rib_section(back / anatomy.rib_spacing) * edge(reach - 0.08, 0.06)
    ribs += 0.55 * rib_section(front / anatomy.rib_spacing / 1.15 + 0.3) * edge(reach - 0.4, 0.12)
    return inside * (ribs * (0.8 + 0.8 * wall) + 0.5 * wall) * fading


def spine_centre(anatomy: Anatomy, v: Picture | float) -> Picture | float:
    """u of the spine at height `v`."""
    return anatomy.spine_bend * np.sin(2.4 * v + 0.6)


def _frontal_spine(anatomy: Anatomy, view: View) -> Picture:
    """A column of vertebrae with disc gaps and spinous processes, and the trachea's air."""
    across = np.abs(view.u - spine_centre(anatomy, view.v))
    column = edge(0.095 - across, 0.02)
    gap = edge(0.16 - np.abs((view.v / 0.135) % 1 - 0.5), 0.1)
    process = edge(0.018 - across, 0.01) * edge(np.abs((view.v / 0.135) % 1 - 0.5) - 0.2, 0.1)
    trachea = edge(0.045 - np.abs(view.u + 0.01), 0.015) * edge(-0.28 - view.v, 0.08)
    return column * (0.85 - 0.35 * gap) + 0.5 * process - 1.7 * trachea


def _clavicles(view: View) -> Picture:
    """Two S-shaped bars from the sternum to the shoulders."""
    t = np.linspace(0, 1, 12)
    u, v = 0.1 + 0.68 * t, -0.56 - 0.16 * t - 0.05 * np.sin(2 * np.pi * t)
    paths = [np.stack([sign * u, v], axis=1) for sign in SIDES.values()]
    outer = strokes(view, paths, 0.06)
    return 0.8 * outer + 0.25 * (outer - strokes(view, paths, 0.035))


def _shoulders(view: View) -> Picture:
    """Humeral heads and the inner edges of the shoulder blades."""
    bones = np.zeros_like(view.u)
    for sign in SIDES.values():
        bones += 0.8 * ellipse(view, (sign * 0.97, -0.58), (0.12, 0.14), softness=0.2)
        bones += 0.45 * ellipse(view, (sign * 0.8, -0.28), (0.1, 0.36), -sign * 0.2, softness=0.25)
    return bones


def _vessels(anatomy: Anatomy, view: View, rng: np.random.Generator) -> Picture:
    """Branching lung vessels fading outwards from both roots, and a fine mottle."""
    paths, widths = [], []
    for sign in SIDES.values():
        root = np.array([sign * (anatomy.mediastinum_width + 0.04), -0.06])
        for angle in rng.uniform(-1.2, 1.4, size=8):
            heading = np.array([sign * np.cos(angle), np.sin(angle)])
            grow_vessel(rng, root, heading, rng.uniform(0.25, 0.45), 0.03, paths, widths)
    tree = strokes(view, paths, widths)
    distance = np.hypot(np.abs(view.u) - anatomy.mediastinum_width - 0.05, view.v + 0.05)
    root_haze = edge(0.17 - distance, 0.15)
    mottle = 0.012 * clouds(rng, view.size, 40) + 0.012 * clouds(rng, view.size, 14)
    return tree * (0.03 + 0.13 * edge(0.4 - distance, 0.35)) + 0.12 * root_haze + mottle
