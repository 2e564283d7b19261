"""A synthetic patient: the measures that vary, and the shapes that both of its films are built from.

Lengths are in the patient coordinates of film.py. The films share the levels (v) of apex, heart and
diaphragm, so that a finding lies at the same height in both.
"""

import dataclasses

import numpy as np

from camanet_jax.synthetic.film import Path, Picture, View, edge

_ALONG = np.linspace(0, 1, 5)[:, None]  # positions of a vessel's points along it

SIDES = {'right': -1, 'left': 1}  # the sign of u in the frontal view


@dataclasses.dataclass(frozen=True)
class Anatomy:
    """Measures of one patient; findings such as cardiomegaly change them before drawing."""

    chest_width: float  # half the widest inner width of the rib cage
    apex: float  # v of the lung tops
    diaphragm: float  # v of the right dome
    dome: float  # height of the domes over their edge; flat when hyperexpanded
    heart_size: float  # 1 is normal, about 1.4 is enlarged
    mediastinum_width: float  # half width beside the spine above the heart
    spine_bend: float  # sideways amplitude, scoliosis when large
    rib_spacing: float
    rib_tilt: float
    body_width: float  # half width of the trunk
    breast: float  # attenuation of the breast shadows, 0 for none
    depth: float  # front to back, 1 is normal
    bone: float  # attenuation of bone
    texture_seed: int  # vessels and gas


@dataclasses.dataclass(frozen=True)
class Film:
    """A view before development, and the regions in it that findings refer to."""

    view: View
    attenuation: np.ndarray  # float32 [height, width]
    regions: dict[str, np.ndarray]  # name to soft mask [height, width]


def sample_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draws one patient's measures."""
    female = rng.random() < 0.5
    return Anatomy(
        chest_width=rng.normal(0.76, 0.03),
        apex=rng.normal(-0.76, 0.025),
        diaphragm=rng.normal(0.44, 0.04),
        dome=rng.normal(0.17, 0.02),
        heart_size=rng.normal(0.97, 0.05),
        mediastinum_width=rng.normal(0.125, 0.01),
        spine_bend=rng.normal(0, 0.012),
        rib_spacing=rng.normal(0.15, 0.008),
        rib_tilt=rng.normal(0.24, 0.05),
        body_width=rng.uniform(0.87, 1.02),
        breast=rng.uniform(0.05, 0.2) if female else 0.0,
        depth=rng.normal(1.0, 0.06),
        bone=rng.uniform(0.13, 0.22),
        texture_seed=int(rng.integers(2**31)),
    )


def border(view: View, levels: list[float], offsets: list[float]) -> Picture:
    """A smooth border's distance from the midline at every pixel's v, through `offsets` at `levels`."""
    fine = np.linspace(levels[0], levels[-1], 80)
    kernel = np.hanning(15) / np.hanning(15).sum()
    rough = np.pad(np.interp(fine, levels, offsets), 7, mode='edge')
    return np.interp(view.v, fine, np.convolve(rough, kernel, 'valid')).astype(np.float32)


def rib_section(phase: Picture) -> Picture:
    """The density across repeated ribs: flat with brighter borders (cortex), gaps between; `phase` counts ribs."""
    distance = np.abs(phase - np.round(phase))  # 0 in the middle of a rib, 0.5 between two
    body = edge(0.24 - distance, 0.04)
    return body * (0.62 + 0.5 * edge(distance - 0.14, 0.06))


def grow_vessel(rng, start, heading, length, width, paths: list[Path], widths: list[float]) -> None:
    """Appends a bent vessel and its two finer branches."""
    side = np.array([-heading[1], heading[0]])
    path = start + length * (_ALONG * heading + rng.normal(0, 0.25) * _ALONG**2 * side)
    paths.append(path)
    widths.append(width)
    if width > 0.015:
        for turn in rng.uniform(-0.6, 0.6, size=2):
            branch = heading * np.cos(turn) + side * np.sin(turn)
            grow_vessel(rng, path[2], branch, 0.6 * length, 0.6 * width, paths, widths)
