"""Generated reports as pictures: what a notebook shows of them. I views."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from camanet_jax.explain import Explanation
from camanet_jax.reporting.figures import map_cells, word_cell
from camanet_jax.reporting.grid import GAP, draw_grid
from camanet_jax.reporting.overlays import attention_scale, overlay, resize_film
from camanet_jax.reporting.page import Page
from camanet_jax.reporting.word_choice import important_places, text_pieces

MARGIN, FILM, COLUMNS = 16, 120, 6  # pixels; films in a row
WORD_FILM = 160


def report_png(images: UInt8[np.ndarray, 'I height width'], words: Sequence[str], explanation: Explanation) -> bytes:
    """The report over its films, VDM, TDM and the attention of its most important words, as a PNG file."""
    page = Page(2 * MARGIN + COLUMNS * (FILM + GAP) - GAP)
    pieces = text_pieces(words, explanation.selected or []) or [('(empty report)', False)]
    top = page.paragraph(MARGIN, MARGIN, page.width - 2 * MARGIN, pieces) + GAP
    cells = map_cells(explanation)
    places = important_places(words, explanation)[: COLUMNS - len(cells)]
    scale = attention_scale(explanation.predicting_attention[places])
    cells += [word_cell(words, explanation, place, scale) for place in places]
    return page.png(draw_grid(page, MARGIN, top, images, cells, COLUMNS, FILM) + MARGIN)


def attention_image(
    images: UInt8[np.ndarray, 'I height width'], words: Sequence[str], explanation: Explanation, word: str | int
) -> Image.Image:
    """Where the model looked when it predicted a word (its first occurrence, or the one at a place): films in a row.

    Raises:
      ValueError: the report has no such word.
    """
    if isinstance(word, str) and word not in words:
        raise ValueError(f'Expected a word of the report, got {word!r}; there are {", ".join(sorted(set(words)))}.')
    place = list(words).index(word) if isinstance(word, str) else word
    if not 0 <= place < len(words):
        raise ValueError(f'Expected a place from 0 to {len(words) - 1}, got {place}.')
    maps, scale = explanation.predicting_attention[place], attention_scale(explanation.predicting_attention)
    films = [resize_film(film, WORD_FILM, WORD_FILM) for film in images]
    return Image.fromarray(np.hstack([overlay(*pair, scale) for pair in zip(films, maps, strict=True)]))
