"""A grid of films with a map over each: the small multiples of a figure. I views."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from camanet_jax.reporting.overlays import Scale, overlay, resize_film
from camanet_jax.reporting.page import FAINT, SMALL, Page

GAP, VIEW_GAP, CAPTION = 12, 2, 20  # pixels


@dataclasses.dataclass(frozen=True)
class Cell:
    """The films of a study, one below the other, with a map over each.

    Attributes:
      caption: above the films, on the left; `note` on the right.
      maps: [I, height', width'], or None for the bare films; drawn on `scale`.
      marked: whether the caption is marked.
    """

    caption: str
    note: str = ''
    maps: np.ndarray | None = None
    scale: Scale = Scale()
    marked: bool = False


def row_height(images: UInt8[np.ndarray, 'I height width'], width: int) -> int:
    """Pixels from one row of cells to the next, for films `width` pixels wide."""
    return CAPTION + len(images) * (film_height(images, width) + VIEW_GAP) + GAP


def film_height(images: UInt8[np.ndarray, 'I height width'], width: int) -> int:
    """Pixels, keeping the aspect."""
    return round(width * images.shape[1] / images.shape[2])


def draw_grid(
    page: Page,
    left: int,
    top: float,
    images: UInt8[np.ndarray, 'I height width'],
    cells: Sequence[Cell],
    columns: int,
    width: int,
) -> float:
    """Cells in reading order, films `width` pixels wide, from `left`, `top`. Returns the bottom with the gap below."""
    films = [resize_film(film, film_height(images, width), width) for film in images]
    step = row_height(images, width)
    for i, cell in enumerate(cells):
        draw_cell(page, left + i % columns * (width + GAP), round(top) + i // columns * step, films, cell)
    return round(top) + -(-len(cells) // columns) * step


def draw_cell(page: Page, x: int, y: int, films: Sequence[UInt8[np.ndarray, 'height width']], cell: Cell) -> None:
    """Caption, note and films."""
    height, width = films[0].shape
    room = width - (page.text_width(cell.note, SMALL) + 6 if cell.note else 0)
    caption = [(cell.caption, cell.marked)]
    page.paragraph(x + 2 * cell.marked, y, room - 4 * cell.marked, caption, size=SMALL + 1)
    page.text(x + width, y + SMALL + 1, cell.note, size=SMALL, colour=FAINT, align='right')
    for view, film in enumerate(films):
        bare = np.repeat(film[..., None], 3, -1)
        shown = bare if cell.maps is None else overlay(film, cell.maps[view], cell.scale)
        page.image(x, y + CAPTION + view * (height + VIEW_GAP), shown)
