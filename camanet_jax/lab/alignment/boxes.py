"""Boxes that radiologists drew, read from a file and drawn as masks.

The file is a JSON list of {"id", "finding", "xywh_1024": [left, top, width, height]}, in pixels of the original film of
1024 x 1024 (NIH ChestX-ray14's BBox list), and an optional "view" (0, the first film).
"""

import dataclasses
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from camanet_jax.data.schema import OBSERVATIONS

FRAME = 1024  # pixels, the side of the films that boxes are given in
# ChestX-ray14's names where they are not ours.
FINDINGS = {name: name for name in OBSERVATIONS} | {
    'Effusion': 'Pleural Effusion',
    'Infiltrate': 'Lung Opacity',
    'Infiltration': 'Lung Opacity',
    'Mass': 'Lung Lesion',
    'Nodule': 'Lung Lesion',
    'Pleural_Thickening': 'Pleural Other',
}


@dataclasses.dataclass(frozen=True)
class Box:
    """A rectangle around a finding; edges as shares of the film's width and height."""

    observation: str
    view: int
    left: float
    top: float
    right: float
    bottom: float


def read_boxes(path: str | Path) -> dict[str, list[Box]]:
    """The boxes of a file by study id."""
    try:
        entries = json.loads(Path(path).read_text())
        found = defaultdict(list)
        for entry in entries:
            found[entry['id']].append(_box(entry))
        return dict(found)
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f'Expected {path} to be a JSON list of boxes {{"id", "finding", "xywh_1024"}}, got {error!r}.'
        ) from error


def _box(entry: dict[str, Any]) -> Box:
    if entry['finding'] not in FINDINGS:
        raise ValueError(
            f'Expected the finding of a box to be one of {sorted(FINDINGS)}, got {entry["finding"]!r} '
            f'(study {entry["id"]}).'
        )
    left, top, width, height = (float(value) / FRAME for value in entry['xywh_1024'])
    if not (width > 0 and height > 0):
        raise ValueError(f'Expected a box with an area, got {entry["xywh_1024"]} (study {entry["id"]}).')
    return Box(FINDINGS[entry['finding']], int(entry.get('view', 0)), left, top, left + width, top + height)


def draw_box(box: Box, size: tuple[int, int]) -> Image.Image:
    """A mask of a film's (width, height): 255 inside; pixels that an edge cuts get their share of it."""
    width, height = size
    across = _covered(box.left * width, box.right * width, width)
    down = _covered(box.top * height, box.bottom * height, height)
    return Image.fromarray(np.rint(255 * np.outer(down, across)).astype(np.uint8))


def _covered(start: float, stop: float, pixels: int) -> np.ndarray:
    """How much of each pixel of a row lies between two points."""
    edges = np.clip(np.arange(pixels + 1), start, stop)
    return np.diff(edges)
