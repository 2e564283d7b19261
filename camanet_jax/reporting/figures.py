"""Figures of single studies (paper Figures 7 and 8): where the model looked, what it wrote, what it saw.

As PNG files, and as pictures in a notebook. I views, Y observations, L words of the report.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from camanet_jax.explain import Explanation
from camanet_jax.reporting.overlays import Scale, attention_scale, overlay, resize_film
from camanet_jax.reporting.page import (
    GAP,
    Cell,
    Observations,
    Page,
    draw_grid,
    draw_observations,
    draw_scale_bar,
    draw_section,
    row_height,
)

MARGIN = 28  # pixels
MAPS_WIDTH, TEXT_WIDTH = 868, 420
STUDY_WIDTH = MARGIN + MAPS_WIDTH + MARGIN + TEXT_WIDTH + MARGIN
LEGEND = 48
MIN_ROWS = 2  # of maps, also where the texts are shorter
WORDS_COLUMNS, WORDS_FILM = 9, 132
FAINTEST_MAP = 0.1  # a map whose maximum is lower is shown as faint as it is
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
    """One study as in Figure 8: films, VDM, TDM, attention of important words; texts, selected words, observations.

    Args:
      path: the PNG file to write.
      images: the films as the model saw them, 0 black.
      words: the generated report, the L words that `explanation` explains; may be empty.
      explanation: of this study; what the system lacks (None) is left out.
      study_id: heads the figure.
      reference: the radiologist's report.
      pseudo_labels: [Y] of 0 and 1; None or NaN where the study has none.

    Returns:
      The path.
    """
    check_words(words, explanation)
    page, top = Page(STUDY_WIDTH), MARGIN + 44
    page.text(MARGIN, MARGIN + 18, study_id, size=20, weight='bold', fit=STUDY_WIDTH - 2 * MARGIN)
    right = draw_texts(page, top, words, reference, explanation)
    right = draw_observations(
        page,
        STUDY_WIDTH - MARGIN - TEXT_WIDTH,
        right,
        TEXT_WIDTH,
        Observations.of(explanation.class_probabilities, pseudo_labels),
    )
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
    """Attention at each word of a report, in reading order; the words that VTAC selected are marked.

    Arguments as in `draw_study`.
    """
    check_words(words, explanation)
    page = Page(2 * MARGIN + WORDS_COLUMNS * (WORDS_FILM + GAP) - GAP)
    page.text(
        MARGIN, MARGIN + 18, f'{study_id}: attention at each word', size=20, weight='bold', fit=page.width - 2 * MARGIN
    )
    scale = attention_scale(explanation.predicting_attention)
    cells = [
        word_cell(words, explanation, place, scale, marked=place in (explanation.selected or ()))
        for place in range(len(words))
    ] or [Cell('(empty report)')]
    bottom = draw_grid(page, MARGIN, MARGIN + 44, images, cells, WORDS_COLUMNS, WORDS_FILM)
    note = '; marked: selected by VTAC' if explanation.selected else ''
    bottom = draw_attention_bar(page, bottom, scale, 'each word', note)
    return page.save(path, bottom + MARGIN)


def check_words(words: Sequence[str], explanation: Explanation) -> None:
    """Raises ValueError where a text is not the one explained."""
    explained = len(explanation.predicting_attention)
    if len(words) != explained:
        raise ValueError(f'Expected the {explained} words that the explanation is about, got {len(words)} words.')


def map_cells(explanation: Explanation) -> list[Cell]:
    """The bare films and the discriminative maps that there are, each with its maximum."""
    cells = [Cell('Film' if explanation.predicting_attention.shape[1] == 1 else 'Films')]
    for name, values in (('VDM', explanation.vdm), ('TDM', explanation.tdm)):
        if values is not None:
            high = float(values.max())
            note = f'max {high:.2f}' if high > 0 else 'empty'
            cells.append(Cell(name, note, values, Scale(0.0, max(high, FAINTEST_MAP))))
    return cells


def word_cell(words: Sequence[str], explanation: Explanation, place: int, scale: Scale, marked: bool = False) -> Cell:
    """The attention that predicted one word, with its peak as a multiple of uniform attention."""
    maps = explanation.predicting_attention[place]
    return Cell(words[place], f'{maps.max() * maps.size:.1f}×', maps, scale, marked)


def draw_maps(
    page: Page,
    top: float,
    height: float,
    images: UInt8[np.ndarray, 'I height width'],
    words: Sequence[str],
    explanation: Explanation,
) -> float:
    """Films, maps and as many important words as fill about `height` pixels. Returns the bottom."""
    columns = 4 if len(images) == 1 else 5
    width = (MAPS_WIDTH + GAP) // columns - GAP
    rows = max(MIN_ROWS, int((height - LEGEND) // row_height(images, width)))
    cells = map_cells(explanation)
    places = important_places(words, explanation)[: columns * rows - len(cells)]
    scale = attention_scale(explanation.predicting_attention[places])
    cells += [word_cell(words, explanation, place, scale) for place in places]
    bottom = draw_grid(page, MARGIN, top, images, cells, columns, width)
    if explanation.vdm is not None:
        tdm = '' if explanation.tdm is None else '  ·  TDM: attention of the words selected by VTAC'
        bottom = draw_scale_bar(page, MARGIN, bottom, ('0', 'max'), f'VDM: activation of the predicted classes{tdm}')
    return draw_attention_bar(page, bottom, scale, 'words') if places else bottom


def draw_attention_bar(page: Page, top: float, scale: Scale, name: str, note: str = '') -> float:
    """The scale of the words' attention. Returns the bottom."""
    ends = ('1', f'≥ {scale.high / scale.low:.1f}')
    return draw_scale_bar(
        page,
        MARGIN,
        top,
        ends,
        f'{name}: cross-attention when written, in multiples of uniform attention; the number is the peak{note}',
    )


def draw_texts(page: Page, top: float, words: Sequence[str], reference: str, explanation: Explanation) -> float:
    """Both reports and the selected words on the right. Returns the bottom."""
    x, selected = STUDY_WIDTH - MARGIN - TEXT_WIDTH, explanation.selected or []
    generated = text_pieces(words, selected) or [('(empty report)', False)]
    top = draw_section(page, x, top, TEXT_WIDTH, 'Generated report', generated)
    top = draw_section(page, x, top, TEXT_WIDTH, 'Reference report', text_pieces(reference.split()))
    if selected:
        places = important_places(words, explanation)
        pieces = [(f'{rank} {words[place]}   ', False) for rank, place in enumerate(places, 1)]
        top = draw_section(page, x, top, TEXT_WIDTH, 'Words selected by VTAC, by rank (marked above)', pieces)
    return top


def is_punctuation(word: str) -> bool:
    """Tells whether a word has neither letters nor digits."""
    return not any(character.isalnum() for character in word)


def important_places(words: Sequence[str], explanation: Explanation) -> list[int]:
    """Places of the most important words, first the most important; each word once, without punctuation.

    With VTAC these are the words it selected, by rank. Without, content words by how peaked their attention is.
    """
    if explanation.selected is not None:
        return distinct_places(words, explanation.selected)
    peaks = explanation.predicting_attention.reshape(len(words), -1).max(1) if words else []
    order = sorted(range(len(words)), key=lambda place: -peaks[place])
    return distinct_places(words, [place for place in order if words[place] not in FUNCTION_WORDS])


def distinct_places(words: Sequence[str], places: Iterable[int]) -> list[int]:
    """The first place of every word in the order given."""
    first: dict[str, int] = {}
    for place in places:
        if words[place] != UNKNOWN and not is_punctuation(words[place]):
            first.setdefault(words[place], place)
    return list(first.values())


def text_pieces(words: Sequence[str], marked: Iterable[int] = ()) -> list[tuple[str, bool]]:
    """Words with the punctuation that follows them, each with whether it is marked."""
    marked = set(marked)
    pieces: list[tuple[str, bool]] = []
    for place, word in enumerate(words):
        if pieces and is_punctuation(word):
            before, flag = pieces.pop()
            pieces.append((before + word, flag))
        else:
            pieces.append((word, place in marked))
    return pieces


def report_png(images: UInt8[np.ndarray, 'I height width'], words: Sequence[str], explanation: Explanation) -> bytes:
    """The report over its films, VDM, TDM and the attention of its most important words, as a PNG file."""
    page = Page(2 * INLINE_MARGIN + INLINE_COLUMNS * (INLINE_FILM + GAP) - GAP)
    pieces = text_pieces(words, explanation.selected or []) or [('(empty report)', False)]
    top = page.paragraph(INLINE_MARGIN, INLINE_MARGIN, page.width - 2 * INLINE_MARGIN, pieces) + GAP
    cells = map_cells(explanation)
    places = important_places(words, explanation)[: INLINE_COLUMNS - len(cells)]
    scale = attention_scale(explanation.predicting_attention[places])
    cells += [word_cell(words, explanation, place, scale) for place in places]
    return page.png(draw_grid(page, INLINE_MARGIN, top, images, cells, INLINE_COLUMNS, INLINE_FILM) + INLINE_MARGIN)


def attention_image(
    images: UInt8[np.ndarray, 'I height width'], words: Sequence[str], explanation: Explanation, word: str | int
) -> Image.Image:
    """Films in a row under the attention that predicted a word: its first occurrence, or the one at a position.

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
