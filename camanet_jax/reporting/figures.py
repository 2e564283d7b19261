"""Figures of single studies (paper Figures 7 and 8): films, maps, the attention at words, both reports.

They are PNG files, or pictures in a notebook. I views, Y observations, L words of the report.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from camanet_jax.explain import Explanation
from camanet_jax.reporting.overlays import Scale, attention_scale, map_scale, overlay, resize_film
from camanet_jax.reporting.page import GAP, Cell, Page, draw_grid, draw_labels, draw_scale, draw_section, row_height

MARGIN = 28  # pixels
MAPS_WIDTH, TEXT_WIDTH = 868, 420
STUDY_WIDTH = MARGIN + MAPS_WIDTH + MARGIN + TEXT_WIDTH + MARGIN
LEGEND = 48
MIN_ROWS = 2  # rows of maps, even where the texts are shorter
WORDS_COLUMNS, WORDS_FILM = 9, 132
UNKNOWN = '<unk>'
FUNCTION_WORDS = frozenset(
    'a an and are as at be been by for from has have in is it its no not of on or than that the there these this to '
    'was were which with within without'.split()
)
INLINE_MARGIN, INLINE_FILM, INLINE_COLUMNS = 16, 120, 6  # pixels; films in a row
WORD_FILM = 160


def draw_study(
    path: str | Path,
    images: UInt8[np.ndarray, 'I height width'],
    words: Sequence[str],
    explanation: Explanation,
    *,
    study_id: str,
    reference: str,
    pseudo_labels: Sequence[float] | None = None,
) -> Path:
    """Draws a study as in Figure 8: films, VDM, TDM, attention at important words; texts, selected words, observations.

    Args:
      path: the PNG file to write.
      images: the films as the model saw them, 0 black.
      words: the generated report, the L words that `explanation` explains; may be empty.
      explanation: the study's; maps that the system lacks (None) are left out.
      study_id: the heading.
      reference: the radiologist's report.
      pseudo_labels: [Y] of 0 and 1; None or NaN where the study has none.

    Returns:
      The path.
    """
    check_words(words, explanation)
    page, top, x = Page(STUDY_WIDTH), MARGIN + 44, STUDY_WIDTH - MARGIN - TEXT_WIDTH
    page.text(MARGIN, MARGIN + 18, study_id, size=20, weight='bold', fit=STUDY_WIDTH - 2 * MARGIN)
    right = draw_texts(page, top, words, reference, explanation)
    right = draw_labels(page, x, right, TEXT_WIDTH, explanation.class_probabilities, pseudo_labels)
    left = draw_maps(page, top, right - top, images, words, explanation)
    return page.save(path, max(left, right) + MARGIN)


def draw_words(
    path: str | Path,
    images: UInt8[np.ndarray, 'I height width'],
    words: Sequence[str],
    explanation: Explanation,
    *,
    study_id: str,
) -> Path:
    """Draws the attention at each word of a report, in reading order; the words that VTAC selected are marked.

    The arguments are those of `draw_study`.
    """
    check_words(words, explanation)
    page = Page(2 * MARGIN + WORDS_COLUMNS * (WORDS_FILM + GAP) - GAP)
    heading = f'{study_id}: attention at each word'
    page.text(MARGIN, MARGIN + 18, heading, size=20, weight='bold', fit=page.width - 2 * MARGIN)
    scale, selected = attention_scale(explanation.predicting_attention), explanation.selected or ()
    cells = [word_cell(words, explanation, i, scale, marked=i in selected) for i in range(len(words))]
    cells = cells or [Cell('(empty report)')]
    bottom = draw_grid(page, MARGIN, MARGIN + 44, images, cells, WORDS_COLUMNS, WORDS_FILM)
    note = '; marked: selected by VTAC' if explanation.selected else ''
    bottom = draw_attention_bar(page, bottom, scale, 'each word', note)
    return page.save(path, bottom + MARGIN)


def check_words(words: Sequence[str], explanation: Explanation) -> None:
    """Raises ValueError where the report is not the one that is explained."""
    explained = len(explanation.predicting_attention)
    if len(words) != explained:
        raise ValueError(f'Expected the {explained} words that the explanation is about, got {len(words)} words.')


def map_cells(explanation: Explanation) -> list[Cell]:
    """Cells of the bare films and of the discriminative maps that exist, each with its maximum."""
    cells = [Cell('Film' if explanation.predicting_attention.shape[1] == 1 else 'Films')]
    for name, values in (('VDM', explanation.vdm), ('TDM', explanation.tdm)):
        if values is not None:
            note = f'max {values.max():.2f}' if values.max() > 0 else 'empty'
            cells.append(Cell(name, note, values, map_scale(values)))
    return cells


def word_cell(words: Sequence[str], explanation: Explanation, index: int, scale: Scale, marked: bool = False) -> Cell:
    """A cell of the attention that predicted one word, with its peak as a multiple of uniform attention."""
    maps = explanation.predicting_attention[index]
    return Cell(words[index], f'{maps.max() * maps.size:.1f}×', maps, scale, marked)


def draw_maps(
    page: Page,
    top: float,
    height: float,
    images: UInt8[np.ndarray, 'I height width'],
    words: Sequence[str],
    explanation: Explanation,
) -> float:
    """Draws films, maps and as many important words as fill about `height` pixels. Returns the bottom."""
    columns = 4 if len(images) == 1 else 5
    width = (MAPS_WIDTH + GAP) // columns - GAP
    rows = max(MIN_ROWS, int((height - LEGEND) // row_height(images, width)))
    cells = map_cells(explanation)
    positions = important_positions(words, explanation)[: columns * rows - len(cells)]
    scale = attention_scale(explanation.predicting_attention[positions])
    cells += [word_cell(words, explanation, position, scale) for position in positions]
    bottom = draw_grid(page, MARGIN, top, images, cells, columns, width)
    if explanation.vdm is not None:
        tdm = '' if explanation.tdm is None else '  ·  TDM: attention of the words selected by VTAC'
        bottom = draw_scale(page, MARGIN, bottom, ('0', 'max'), f'VDM: activation of the predicted classes{tdm}')
    return draw_attention_bar(page, bottom, scale, 'words') if positions else bottom


def draw_attention_bar(page: Page, top: float, scale: Scale, name: str, note: str = '') -> float:
    """Draws the scale of the words' attention. Returns the bottom."""
    ends = ('1', f'≥ {scale.high / scale.low:.1f}')
    text = f'{name}: cross-attention when written, in multiples of uniform attention; the number is the peak{note}'
    return draw_scale(page, MARGIN, top, ends, text)


def draw_texts(page: Page, top: float, words: Sequence[str], reference: str, explanation: Explanation) -> float:
    """Draws both reports and the selected words on the right. Returns the bottom."""
    x, selected = STUDY_WIDTH - MARGIN - TEXT_WIDTH, explanation.selected or []
    generated = text_pieces(words, selected) or [('(empty report)', False)]
    top = draw_section(page, x, top, TEXT_WIDTH, 'Generated report', generated)
    top = draw_section(page, x, top, TEXT_WIDTH, 'Reference report', text_pieces(reference.split()))
    if selected:
        positions = important_positions(words, explanation)
        pieces = [(f'{rank} {words[position]}   ', False) for rank, position in enumerate(positions, 1)]
        top = draw_section(page, x, top, TEXT_WIDTH, 'Words selected by VTAC, by rank (marked above)', pieces)
    return top


def is_punctuation(word: str) -> bool:
    """Tells whether a word has neither letters nor digits."""
    return not any(character.isalnum() for character in word)


def important_positions(words: Sequence[str], explanation: Explanation) -> list[int]:
    """Positions of the most important words, most important first; each word once, without punctuation.

    With VTAC these are the words it selected, by rank. Without, content words by how peaked their attention is.
    """
    if explanation.selected is not None:
        return distinct_positions(words, explanation.selected)
    peaks = explanation.predicting_attention.reshape(len(words), -1).max(1) if words else []
    order = sorted(range(len(words)), key=lambda position: -peaks[position])
    return distinct_positions(words, [position for position in order if words[position] not in FUNCTION_WORDS])


def distinct_positions(words: Sequence[str], positions: Iterable[int]) -> list[int]:
    """The first position of every word in the order given."""
    first: dict[str, int] = {}
    for position in positions:
        if words[position] != UNKNOWN and not is_punctuation(words[position]):
            first.setdefault(words[position], position)
    return list(first.values())


def sentences(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yields the positions of each sentence's first word and of the full stop, or the end, after its last."""
    start = 0
    for position, word in enumerate([*words, '.']):
        if word == '.':
            if position > start:
                yield start, position
            start = position + 1


def text_pieces(words: Sequence[str], marked: Collection[int] = ()) -> list[tuple[str, bool]]:
    """Words joined with the punctuation that follows them, each with a flag for those to mark."""
    pieces: list[tuple[str, bool]] = []
    for position, word in enumerate(words):
        if pieces and is_punctuation(word):
            before, flag = pieces.pop()
            pieces.append((before + word, flag))
        else:
            pieces.append((word, position in marked))
    return pieces


def report_png(images: UInt8[np.ndarray, 'I height width'], words: Sequence[str], explanation: Explanation) -> bytes:
    """The report above its films, VDM, TDM and the attention at its most important words, as a PNG file."""
    page = Page(2 * INLINE_MARGIN + INLINE_COLUMNS * (INLINE_FILM + GAP) - GAP)
    pieces = text_pieces(words, explanation.selected or []) or [('(empty report)', False)]
    top = page.paragraph(INLINE_MARGIN, INLINE_MARGIN, page.width - 2 * INLINE_MARGIN, pieces) + GAP
    cells = map_cells(explanation)
    positions = important_positions(words, explanation)[: INLINE_COLUMNS - len(cells)]
    scale = attention_scale(explanation.predicting_attention[positions])
    cells += [word_cell(words, explanation, position, scale) for position in positions]
    return page.png(draw_grid(page, INLINE_MARGIN, top, images, cells, INLINE_COLUMNS, INLINE_FILM) + INLINE_MARGIN)


def attention_image(
    images: UInt8[np.ndarray, 'I height width'], words: Sequence[str], explanation: Explanation, word: str | int
) -> Image.Image:
    """The films in a row under the attention that predicted a word, given as its position or by its first occurrence.

    Raises:
      ValueError: the report has no such word.
    """
    if isinstance(word, str) and word not in words:
        raise ValueError(f'Expected a word of the report, got {word!r}; there are {", ".join(sorted(set(words)))}.')
    position = list(words).index(word) if isinstance(word, str) else word
    if not 0 <= position < len(words):
        raise ValueError(f'Expected a position from 0 to {len(words) - 1}, got {position}.')
    maps, scale = explanation.predicting_attention[position], attention_scale(explanation.predicting_attention)
    films = [resize_film(film, WORD_FILM, WORD_FILM) for film in images]
    return Image.fromarray(np.hstack([overlay(*pair, scale) for pair in zip(films, maps, strict=True)]))
