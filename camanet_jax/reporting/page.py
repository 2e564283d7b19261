"""A page in pixels: text is measured before it is placed, so nothing overlaps and the page is as high as it must be.

matplotlib's object-oriented API on the Agg backend; positions are pixels, x to the right and y down.
"""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle

DPI = 100
BODY = 14  # font sizes in pixels
SMALL = 12
SMALLEST = 9.5
LINE = 1.5  # line height in font sizes
INK, FAINT, RULE, MARK = '#1a1a1a', '#666666', '#d4d4d4', '#ffdf9e'
BLUE = '#0072b2'


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
        """One line with its baseline at y; smaller, and then shortened, where it would be wider than `fit`."""
        if fit is not None:
            while size > SMALLEST and self.text_width(string, size, weight) > fit:
                size -= 0.5
            while len(string) > 2 and self.text_width(string, size, weight) > fit:
                string = string[:-2] + '…'
        # Reports are not mathematics: a dollar sign is a dollar sign.
        self._axes.text(
            x, y, string, fontproperties=font(size, weight), color=colour, ha=align, va='baseline', parse_math=False
        )

    def text_width(self, string: str, size: float = BODY, weight: str = 'normal') -> float:
        """In pixels."""
        return self._measure.get_text_width_height_descent(string, font(size, weight), ismath=False)[0]

    def paragraph(
        self, x: float, y: float, width: float, pieces: Iterable[tuple[str, bool]], size: float = BODY
    ) -> float:
        """Wraps unbroken pieces into `width` from y down; those flagged True are marked. Returns the bottom."""
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
        """Colour pixels, one to one."""
        height, width = pixels.shape[:2]
        self._axes.imshow(pixels, extent=(x, x + width, y + height, y), interpolation='nearest', aspect='auto')

    def box(self, x: float, y: float, width: float, height: float, colour: str, *, filled: bool = True) -> None:
        """A filled rectangle, or its outline."""
        self._axes.add_patch(
            Rectangle(
                (x, y),
                width,
                height,
                facecolor=colour if filled else 'none',
                edgecolor='none' if filled else colour,
                linewidth=0 if filled else 0.8,
            )
        )

    def save(self, path: str | Path, height: float) -> Path:
        """Writes `height` pixels of the page, making the folder if need be."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.png(height))
        return path

    def png(self, height: float) -> bytes:
        """`height` pixels of the page as a PNG file's content."""
        height = round(height)
        self._figure.set_size_inches(self.width / DPI, height / DPI)
        self._axes.set(xlim=(0, self.width), ylim=(height, 0))
        content = io.BytesIO()
        self._canvas.print_png(content)
        return content.getvalue()


def font(size: float, weight: str) -> FontProperties:
    """The page's typeface; the size is in pixels."""
    return FontProperties(family='DejaVu Sans', size=size * 72 / DPI, weight=weight)
