"""Lesions on the grid of the maps, to which their masks are brought by the film's own transform.

A lesion is all of a study's evidence of one observation, in all its views: two opacities are one lesion, and its parts
in both films belong together, as do the two films' parts of a map. All lesions of a study are also measured as one,
since VDM and TDM do not tell findings apart. I views.

Boxes that radiologists drew can replace masks. Their file is a JSON list of {"id", "finding", "xywh_1024":
[left, top, width, height]}, in pixels of the original film of 1024 x 1024 (NIH ChestX-ray14's BBox list), and an
optional "view" (0, the first film).
"""

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageChops

from camanet_jax.data.image_files import open_grey
from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.data.sources import Records
from camanet_jax.run.files import read_json

Transform = Callable[[Image.Image], np.ndarray]  # of films and of masks --> uint8 [height width]
Picture = UInt8[np.ndarray, 'height width']
ANY = -1  # the observation of all lesions of a study together

FRAME = 1024  # side in pixels of the films that the boxes refer to
# Our names, and ChestX-ray14's where they differ.
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


@dataclasses.dataclass(frozen=True)
class Lesion:
    """The area of one observation in one study."""

    split: str
    position: int  # the study's, in the split
    study_id: str
    observation: int  # index in OBSERVATIONS, or ANY
    share: Float[np.ndarray, 'I rows columns']  # of each patch of the films that the lesion covers, 0 to 1

    @property
    def name(self) -> str:
        """The observation's name, or 'any'."""
        return 'any' if self.observation == ANY else OBSERVATIONS[self.observation]


def find_lesions(
    split: str, records: Records, transform: Transform, side: int, boxes: dict[str, list[Box]] | None
) -> list[Lesion]:
    """All lesions of a split that the transform does not cut off.

    Args:
      records: the split's records; without `boxes` they must have `masks`, as the synthetic ones do.
      transform: brings a film to the model's size.
      side: rows, and columns, of a view's map.
      boxes: by study id, in place of masks.

    Raises:
      ValueError: there are neither masks nor boxes.
    """
    lesions = []
    for position in range(len(records)):
        record = records[position]
        pictures = draw_boxes(record, boxes.get(record['id'], [])) if boxes is not None else read_masks(record)
        for observation, masks in join_by_observation(pictures).items():
            share = np.zeros((len(record['images']), side, side))
            for view, mask in masks.items():
                share[view] = patch_shares(transform(mask), side)
            if share.any():
                lesions.append(Lesion(split, position, record['id'], observation, share))
    return lesions


def read_masks(record: dict[str, Any]) -> list[tuple[int, int, Image.Image]]:
    """Reads (observation, view, mask) from a record, for views that the model reads."""
    if 'masks' not in record:
        raise ValueError(
            f'Expected records with lesion masks, study {record["id"]} has none. Use the synthetic data, '
            'or give a file of boxes (--boxes).'
        )
    masks = record['masks']
    entries = zip(masks['observation'], masks['view'], masks['mask'], strict=True)
    return [
        (int(observation), int(view), open_grey(mask, f'mask of {record["id"]}'))
        for observation, view, mask in entries
        if view < len(record['images'])
    ]


def draw_boxes(record: dict[str, Any], boxes: list[Box]) -> list[tuple[int, int, Image.Image]]:
    """Draws boxes as masks of the stored film's size, in the form of `read_masks`."""
    drawn = []
    for box in [box for box in boxes if box.view < len(record['images'])]:
        film = open_grey(record['images'][box.view], record['image_paths'][box.view])
        drawn.append((OBSERVATIONS.index(box.observation), box.view, draw_box(box, film.size)))
    return drawn


def join_by_observation(pictures: list[tuple[int, int, Image.Image]]) -> dict[int, dict[int, Image.Image]]:
    """The union of the masks of each observation, and of all, by view."""
    joined: dict[int, dict[int, Image.Image]] = defaultdict(dict)
    for observation, view, picture in pictures:
        for key in (observation, ANY):
            before = joined[key].get(view, picture)
            joined[key][view] = ImageChops.lighter(before, picture)
    return dict(sorted(joined.items()))


def patch_shares(mask: Picture, side: int) -> Float[np.ndarray, 'rows columns']:
    """The share of every patch that a mask (255 inside) covers, exact even where patches cut through pixels."""
    down, across = (_overlap(pixels, side) for pixels in mask.shape)
    return down @ (mask / 255) @ across.T


def _overlap(pixels: int, side: int) -> Float[np.ndarray, 'side pixels']:
    """The share of each of `side` equal parts of a line that each of its pixels covers."""
    parts = itertools.pairwise(np.linspace(0, pixels, side + 1))
    return np.stack([_covered(*part, pixels) for part in parts]) * side / pixels


def read_boxes(path: str | Path) -> dict[str, list[Box]]:
    """Reads a file of boxes by study id."""
    boxes = defaultdict(list)
    try:
        keys = ('id', 'finding', 'xywh_1024')
        entries = [(*(entry[key] for key in keys), entry.get('view', 0)) for entry in read_json(Path(path))]
    except (ValueError, KeyError, TypeError) as error:
        expected = 'a JSON list of boxes {"id", "finding", "xywh_1024"}'
        raise ValueError(f'Expected {path} to be {expected}, got {error!r}.') from error
    for study, *box in entries:
        try:
            boxes[study].append(_box(*box))
        except (ValueError, TypeError) as error:
            raise ValueError(f'{path}, study {study}: {error}') from error
    return dict(boxes)


def _box(finding: str, rectangle: list[float], view: int) -> Box:
    if finding not in FINDINGS:
        raise ValueError(f'Expected a box of one of {sorted(FINDINGS)}, got {finding!r}.')
    try:
        left, top, width, height = (float(value) / FRAME for value in rectangle)
    except (ValueError, TypeError) as error:
        raise ValueError(f'Expected xywh_1024 as four numbers, got {rectangle!r}.') from error
    if not (width > 0 and height > 0):
        raise ValueError(f'Expected a box with an area, got {rectangle}.')
    return Box(FINDINGS[finding], int(view), left, top, left + width, top + height)


def draw_box(box: Box, size: tuple[int, int]) -> Image.Image:
    """A mask of a film's (width, height): 255 inside, and its share of 255 for a pixel that an edge cuts."""
    width, height = size
    across = _covered(box.left * width, box.right * width, width)
    down = _covered(box.top * height, box.bottom * height, height)
    return Image.fromarray(np.rint(255 * np.outer(down, across)).astype(np.uint8))


def _covered(start: float, stop: float, pixels: int) -> np.ndarray:
    """The share of each pixel of a row that lies between two points."""
    return np.diff(np.clip(np.arange(pixels + 1), start, stop))
