"""The X-ray film: a view's coordinates, soft shapes and strokes on them, and development.

Anatomy is drawn in patient coordinates, so that a finding can be shown in both views and no drawing
depends on the size of the film. Each view covers about [-1, 1] x [-1, 1]:
    frontal  u runs left to right (negative: the patient's right, the film's left), v points down
    lateral  u runs front to back (negative: the chest's front, the film's left), v points down
All images are float32 [height, width], attenuation about 0 (air) to 2 (metal).
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

_SUPERSAMPLING = 3  # strokes are drawn this many times finer and averaged

Picture = Float[np.ndarray, 'height width']
Path = Float[np.ndarray, '_points 2']
# A finding's contribution to the attenuation, and its soft mask; a number stands for a uniform image.
Drawing = tuple[Picture | np.float32, Picture | np.float32]


@dataclasses.dataclass(frozen=True)
class View:
    """The position in the patient of each pixel of one film."""

    name: str  # 'frontal' or 'lateral'
    u: np.ndarray  # float32 [height, width], patient coordinates
    v: np.ndarray  # float32 [height, width], patient coordinates
    turn: np.ndarray  # float [2, 2], patient to film coordinates, scale included
    shift: np.ndarray  # float [2], film coordinates

    @property
    def size(self) -> int:
        """Side of the square film in pixels."""
        return len(self.u)

    def to_pixels(self, path: Path) -> Path:
        """Patient coordinates [points, 2] to pixels (column, row)."""
        return ((path @ self.turn.T + self.shift) + 1) * self.size / 2


def pose_view(name: str, size: int, rng: np.random.Generator) -> View:
    """Draws how the patient stands before the film: a small rotation, shift and change of scale."""
    angle = np.deg2rad(rng.normal(0, 1.8))
    scale = rng.uniform(0.92, 1.05)
    shift = rng.normal(0, 0.03, size=2)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    axis = (np.arange(size) + 0.5) * 2 / size - 1
    film = np.stack(np.meshgrid(axis, axis), axis=-1)  # --> [height, width, 2]
    patient = ((film - shift) @ np.linalg.inv(turn).T).astype(np.float32)
    return View(name, patient[..., 0], patient[..., 1], turn, shift)


def edge(distance: Picture, softness: float) -> Picture:
    """A smooth step from 0 where `distance` is below -softness to 1 where it is above."""
    t = np.clip(distance * (0.5 / softness) + 0.5, 0, 1)
    return t * t * (3 - 2 * t)


def ellipse(view: View, centre: Sequence[float], radii: Sequence[float], tilt: float = 0.0, softness=0.1) -> Picture:
    """A soft ellipse; `tilt` in radians, `softness` as a share of the radius."""
    du, dv = view.u - float(centre[0]), view.v - float(centre[1])
    if tilt:
        cos, sin = math.cos(tilt), math.sin(tilt)
        du, dv = cos * du + sin * dv, cos * dv - sin * du
    along, across = du / float(radii[0]), dv / float(radii[1])
    return edge(1 - np.sqrt(along * along + across * across), softness)


def strokes(view: View, paths: Sequence[Path | Sequence[Sequence[float]]], widths: float | Sequence[float]) -> Picture:
    """Lines along `paths` of one width or one each, all in patient coordinates; 1 inside a line."""
    side = view.size * _SUPERSAMPLING
    thickness = np.maximum(2, np.round(np.broadcast_to(widths, len(paths)) * side / 2)).astype(int)
    points = view.to_pixels(np.concatenate(paths)) * _SUPERSAMPLING
    ends = np.cumsum([len(path) for path in paths])
    canvas = Image.new('L', (side, side))
    draw = ImageDraw.Draw(canvas)
    for line, width in zip(np.split(points, ends[:-1]), thickness.tolist(), strict=True):
        draw.line(line.ravel().tolist(), fill=255, width=width, joint='curve')
    return np.asarray(canvas.reduce(_SUPERSAMPLING), np.float32) / 255


def clouds(rng: np.random.Generator, size: int, cells: int) -> Picture:
    """Smooth random values of standard deviation about 1, `cells` to a side."""
    coarse = rng.standard_normal((cells + 2, cells + 2)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.BICUBIC))


def spread(picture: Picture, pixels: int) -> Picture:
    """A cheap wide blur, as scattered radiation makes it."""
    small = Image.fromarray(picture).reduce(pixels)
    return np.asarray(small.resize(picture.shape[::-1], Image.BICUBIC))


def develop(attenuation: Picture, rng: np.random.Generator) -> np.ndarray:
    """Turns attenuation into grey levels, uint8 [height, width]: scatter, exposure, noise, frame."""
    size = len(attenuation)
    scatter = rng.uniform(0.1, 0.25)
    film = attenuation * (1 - scatter) + spread(attenuation, size // 16) * scatter
    film = 1 - np.exp(-rng.uniform(0.7, 1.0) * np.maximum(film, 0))
    low, high = np.quantile(film, [0.01, 0.995])
    film = np.clip((film - low) / (high - low), 0, 1.15) ** rng.uniform(0.85, 1.25)
    film = film * rng.uniform(0.86, 1.0) + rng.uniform(0.0, 0.05)
    grain = rng.standard_normal((size, size)) + 0.7 * clouds(rng, size, size // 2)
    film = film + grain * rng.uniform(0.008, 0.022)
    return np.clip(_frame(film, rng) * 255, 0, 255).astype(np.uint8)


def _frame(film: Picture, rng: np.random.Generator) -> Picture:
    """Adds the collimator's dark border to some films."""
    size = len(film)
    if rng.random() < 0.3:
        border = rng.integers(1, max(2, size // 24), size=4)
        film[: border[0]] = film[size - border[1] :] = 0.02
        film[:, : border[2]] = film[:, size - border[3] :] = 0.02
    return film
