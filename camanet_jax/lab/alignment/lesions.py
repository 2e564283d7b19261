"""Lesions on the grid of the maps: their masks go through the film's own transform.

A lesion is everything in one study that stands for one observation, in all its views: two opacities are one lesion, and
the parts of it in both films belong together, as do the two films' parts of a map. All lesions of a study are measured
once more as one, since VDM and TDM do not say which finding they mean. I views.

Boxes that radiologists drew take the place of masks. Their file is a JSON list of {"id", "finding", "xywh_1024":
[left, top, width, height]}, in pixels of the original film of 1024 x 1024 (NIH ChestX-ray14's BBox list), and an
optional "view" (0, the first film).
"""

import dataclasses
import json
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

Transform = Callable[[Image.Image], np.ndarray]  # --> uint8 [height width]; of films and of masks
Picture = UInt8[np.ndarray, 'height width']
ANY = -1  # in place of an observation: all lesions of a study together

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


@dataclasses.dataclass(frozen=True)
class Lesion:
    """One observation's place in one study.

    Attributes:
      split, position: of the study. study_id: its id.
      observation: index in OBSERVATIONS, or ANY.
      share: [I, rows, columns], how much of each patch of the films the lesion covers, 0 to 1.
    """

    split: str
    position: int
    study_id: str
    observation: int
    share: Float[np.ndarray, 'I rows columns']

    @property
    def name(self) -> str:
        """The observation's name, or 'any'."""
        return 'any' if self.observation == ANY else OBSERVATIONS[self.observation]


def find_lesions(
    split: str, records: Records, transform: Transform, side: int, boxes: dict[str, list[Box]] | None
) -> list[Lesion]:
    """All lesions of a split that the transform leaves in the picture.

    Args:
      split: its name. records: its records; without `boxes` they must hold `masks`, as the synthetic ones do.
      transform: brings a film to the model's size. side: rows and columns of a view's map.
      boxes: by study id, in place of masks.

    Raises:
      ValueError: there are neither masks nor boxes.
    """
    found = []
    for position in range(len(records)):
        record = records[position]
        pictures = draw_boxes(record, boxes.get(record['id'], [])) if boxes is not None else read_masks(record)
        for observation, masks in join_by_observation(pictures).items():
            share = np.zeros((len(record['images']), side, side))
            for view, mask in masks.items():
                share[view] = patch_shares(transform(mask), side)
            if share.any():
                found.append(Lesion(split, position, record['id'], observation, share))
    return found


def read_masks(record: dict[str, Any]) -> list[tuple[int, int, Image.Image]]:
    """(observation, view, mask) of a record; only views that the model is given."""
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
    """Boxes as masks of the stored film's size, in the order of `read_masks`."""
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
    """The share of every patch that a mask (255 inside) covers; exact, also where patches cut through pixels."""
    down, across = (_overlap(pixels, side) for pixels in mask.shape)
    return down @ (mask / 255) @ across.T


def _overlap(pixels: int, side: int) -> Float[np.ndarray, 'side pixels']:
    """The share of each of `side` equal pieces of a line that each of its pixels makes up."""
    edges, starts = np.linspace(0, pixels, side + 1), np.arange(pixels)
    shared = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return np.maximum(shared, 0) * side / pixels


def read_boxes(path: str | Path) -> dict[str, list[Box]]:
    """The boxes of a file by study id."""
    try:
        entries = json.loads(Path(path).read_text(encoding='utf-8'))
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
    """The share of each pixel of a row that lies between two points."""
    edges = np.clip(np.arange(pixels + 1), start, stop)
    return np.diff(edges)
