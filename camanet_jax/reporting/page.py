"""A page in pixels and its parts: grids of films under maps, paragraphs, the table of observations, scales.

Text is measured before it is drawn, so that nothing overlaps and the page is as high as its content. It uses
matplotlib's object-oriented API on the Agg backend; positions are pixels, x to the right and y down. I views, Y
observations.
"""

import dataclasses
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.metrics.classification import PRESENT
from camanet_jax.reporting.overlays import Scale, colour_bar, overlay, resize_film
from camanet_jax.run.files import replacing

DPI = 100
BODY = 14  # font sizes in pixels
SMALL = 12
SMALLEST = 9.5
LINE = 1.5  # line height in font sizes
INK, FAINT, RULE, MARK = '#1a1a1a', '#666666', '#d4d4d4', '#ffdf9e'
BLUE = '#0072b2'
GAP, VIEW_GAP, CAPTION = 12, 2, 20  # pixels
SECTION_GAP = 24  # pixels
ROW = 19
BAR_WIDTH, BAR_HEIGHT, BAR_LABEL = 150, 12, 14


class Page:
    """Text, images and boxes at pixel positions; `save` writes them as a PNG file."""

    def __init__(self, width: int):
        self.width = width
        self._figure = Figure(dpi=DPI, facecolor='white')
        self._canvas = FigureCanvasAgg(self._figure)
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._measure = RendererAgg(1, 1, DPI)

    def text(
        self,
        x: float,
        y: float,
        string: str,
        *,
        size: float = BODY,
        colour: str = INK,
        weight: str = 'normal',
        align: str = 'left',
        fit: float | None = None,
    ) -> None:
        """Draws a line with its baseline at y; smaller, and then shortened, where it would be wider than `fit`."""
        if fit is not None:
            while size > SMALLEST and self.text_width(string, size, weight) > fit:
                size -= 0.5
            while len(string) > 2 and self.text_width(string, size, weight) > fit:
                string = string[:-2] + '…'
        style = dict(fontproperties=font(size, weight), color=colour, ha=align, va='baseline')
        self._axes.text(x, y, string, parse_math=False, **style)  # a dollar sign in a report begins no formula

    def text_width(self, string: str, size: float = BODY, weight: str = 'normal') -> float:
        """Width in pixels."""
        return self._measure.get_text_width_height_descent(string, font(size, weight), ismath=False)[0]

    def paragraph(
        self, x: float, y: float, width: float, pieces: Iterable[tuple[str, bool]], size: float = BODY
    ) -> float:
        """Wraps pieces, unbroken, into `width` from y down; those flagged True are marked. Returns the bottom."""
        left, baseline, space = x, y + size, self.text_width('a a', size) - self.text_width('aa', size)
        for string, marked in pieces:
            advance = self.text_width(string, size)
            if left > x and left + advance > x + width:
                left, baseline = x, baseline + LINE * size
            if marked:
                self.box(left - 2, baseline - size, min(advance, width) + 4, 1.3 * size, MARK)
            self.text(left, baseline, string, size=size, fit=width)
            left += advance + space
        return baseline + (LINE - 1) * size

    def image(self, x: int, y: int, pixels: UInt8[np.ndarray, 'height width 3']) -> None:
        """Draws colour pixels one to one."""
        height, width = pixels.shape[:2]
        self._axes.imshow(pixels, extent=(x, x + width, y + height, y), interpolation='nearest', aspect='auto')

    def box(self, x: float, y: float, width: float, height: float, colour: str, *, filled: bool = True) -> None:
        """Draws a filled rectangle, or its outline."""
        style = dict(fc=colour, ec='none', lw=0) if filled else dict(fc='none', ec=colour, lw=0.8)
        self._axes.add_patch(Rectangle((x, y), width, height, **style))

    def save(self, path: str | Path, height: float) -> Path:
        """Writes `height` pixels of the page, and makes the folder where it is missing."""
        path = Path(path)
        with replacing(path) as temporary:
            temporary.write_bytes(self.png(height))
        return path

    def png(self, height: float) -> bytes:
        """The content of a PNG file with `height` pixels of the page."""
        height = round(height)
        self._figure.set_size_inches(self.width / DPI, height / DPI)
        self._axes.set(xlim=(0, self.width), ylim=(height, 0))
        content = io.BytesIO()
        self._canvas.print_png(content)
        return content.getvalue()


def font(size: float, weight: str) -> FontProperties:
    """The page's typeface; the size is in pixels."""
    return FontProperties(family='DejaVu Sans', size=size * 72 / DPI, weight=weight)


@dataclasses.dataclass(frozen=True)
class Cell:
    """The films of a study, one below the other, with a map over each."""

    caption: str  # above the films, on the left
    note: str = ''  # on the right
    maps: np.ndarray | None = None  # [I, height', width'], or None for the bare films
    scale: Scale = Scale()
    marked: bool = False  # whether the caption is marked


def row_height(images: UInt8[np.ndarray, 'I height width'], width: int) -> int:
    """Pixels from one row of cells to the next, for films `width` pixels wide."""
    return CAPTION + len(images) * (film_height(images, width) + VIEW_GAP) + GAP


def film_height(images: UInt8[np.ndarray, 'I height width'], width: int) -> int:
    """The height in pixels that keeps the aspect."""
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
    """Draws cells in reading order, with films `width` pixels wide. Returns the bottom with the gap below."""
    films = [resize_film(film, film_height(images, width), width) for film in images]
    step = row_height(images, width)
    for i, cell in enumerate(cells):
        draw_cell(page, left + i % columns * (width + GAP), round(top) + i // columns * step, films, cell)
    return round(top) + -(-len(cells) // columns) * step


def draw_cell(page: Page, x: int, y: int, films: Sequence[UInt8[np.ndarray, 'height width']], cell: Cell) -> None:
    """Draws caption, note and films."""
    height, width = films[0].shape
    room = width - (page.text_width(cell.note, SMALL) + 6 if cell.note else 0)
    caption = [(cell.caption, cell.marked)]
    page.paragraph(x + 2 * cell.marked, y, room - 4 * cell.marked, caption, size=SMALL + 1)
    page.text(x + width, y + SMALL + 1, cell.note, size=SMALL, colour=FAINT, align='right')
    for view, film in enumerate(films):
        bare = np.repeat(film[..., None], 3, -1)
        shown = bare if cell.maps is None else overlay(film, cell.maps[view], cell.scale)
        page.image(x, y + CAPTION + view * (height + VIEW_GAP), shown)


def draw_section(
    page: Page, x: float, y: float, width: float, heading: str, pieces: Iterable[tuple[str, bool]]
) -> float:
    """Draws a heading and a paragraph. Returns the bottom with the gap to the next section."""
    return page.paragraph(x, draw_heading(page, x, y, width, heading), width, pieces) + SECTION_GAP


def draw_heading(page: Page, x: float, y: float, width: float, heading: str) -> float:
    """Draws a bold line over a rule. Returns the top of the section's content."""
    page.text(x, y + BODY, heading, weight='bold', fit=width)
    page.box(x, y + 1.5 * BODY, width, 1, RULE)
    return y + 2 * BODY


def draw_labels(
    page: Page,
    x: float,
    y: float,
    width: float,
    probabilities: Sequence[float] | None,
    labels: Sequence[float] | None,
) -> float:
    """Draws the table of observations: predicted probabilities [Y] and pseudo-labels [Y] of 0, 1 or NaN side by side.

    Returns the bottom. None, or labels that are all NaN, count as missing.
    """
    if labels is not None and np.isnan(np.asarray(labels, np.float64)).all():
        labels = None
    if probabilities is None and labels is None:
        return y
    y = draw_heading(page, x, y, width, 'Observations')
    columns = (x + 0.52 * width, x + 0.77 * width)
    predicted = 'no classifier' if probabilities is None else 'predicted'
    names = predicted, 'no pseudo-label' if labels is None else 'pseudo-label'
    for column, name in zip(columns, names, strict=True):
        page.text(column, y + SMALL, name, size=SMALL, colour=FAINT, fit=x + width - column)
    for row, observation in enumerate(OBSERVATIONS):
        baseline = y + (row + 2) * ROW - 5
        positive = [values is not None and values[row] >= PRESENT for values in (probabilities, labels)]
        page.text(x, baseline, observation, size=SMALL + 1, colour=INK if any(positive) else FAINT)
        if probabilities is not None:
            draw_probability(page, columns[0], baseline, 0.14 * width, probabilities[row])
        if labels is not None and not np.isnan(labels[row]):
            draw_mark(page, columns[1], baseline, positive[1])
    return y + (len(OBSERVATIONS) + 1) * ROW


def draw_mark(page: Page, x: float, baseline: float, positive: bool) -> None:
    """Draws a filled square for present, an outline for absent."""
    page.box(x, baseline - 10, 11, 11, BLUE if positive else RULE, filled=positive)


def draw_probability(page: Page, x: float, baseline: float, width: float, probability: float) -> None:
    """Draws a mark for presence, the number, and the number as a bar."""
    draw_mark(page, x, baseline, probability >= PRESENT)
    page.text(x + 18, baseline, f'{probability:.2f}', size=SMALL, colour=INK if probability >= PRESENT else FAINT)
    page.box(x + 52, baseline - 6, (width - 26) * probability, 4, BLUE)


def draw_scale(page: Page, x: int, y: float, ends: tuple[str, str], name: str) -> float:
    """Draws a bar of the colours between the values at its ends, and their meaning. Returns the bottom."""
    top = math.ceil(y)
    left = x + BAR_LABEL
    page.text(left - 6, top + BAR_HEIGHT - 1, ends[0], size=SMALL, align='right')
    page.image(left, top, colour_bar(BAR_HEIGHT, BAR_WIDTH))
    page.text(left + BAR_WIDTH + 6, top + BAR_HEIGHT - 1, ends[1], size=SMALL)
    page.text(left + BAR_WIDTH + 50, top + BAR_HEIGHT - 1, name, size=SMALL, colour=FAINT)
    return top + 2 * BAR_HEIGHT
