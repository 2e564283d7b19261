"""RadFact's grounded sentences (Bannur et al., 2024): a report's sentences, each with the box where its words looked.

L words, I views. Where words look is not where a finding is (docs/ablation): the boxes let RadFact measure that.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict
from scipy import ndimage

Sentences = list[dict[str, Any]]  # {"text", "boxes": [{"x_min", "y_min", "x_max", "y_max"}] or None}


def plain_sentences(text: str) -> Sentences:
    """The sentences of a text as written, without boxes."""
    return [{'text': sentence, 'boxes': None} for sentence in re.split(r'(?<=[.?!])\s+', text.strip()) if sentence]


def grounded_sentences(
    words: Sequence[str], attention: Float[np.ndarray, 'L I height width'], size: tuple[int, int], data: ConfigDict
) -> Sentences:
    """The sentences of a report, boxes as shares of the first film's width and height; None where no place stands out.

    Args:
      attention: where the model looked when it predicted each word.
      size: width and height of the first film. data: the configuration's, which tells what of the film was seen.
    """
    sentences, start = [], 0
    for end, word in enumerate([*words, '.']):
        if word == '.':
            if end > start:
                box = brightest_region(attention[start:end, 0].mean(0))
                boxes = None if box is None else [on_film(box, size, data)]
                sentences.append({'text': ' '.join(words[start:end]) + '.', 'boxes': boxes})
            start = end + 1
    return sentences


def brightest_region(values: Float[np.ndarray, 'height width']) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom, as shares, of the region around the maximum that is at least half as bright."""
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-6 * max(high, 1e-6):
        return None
    regions, _ = ndimage.label(values >= (low + high) / 2)
    rows, columns = np.nonzero(regions == regions[np.unravel_index(values.argmax(), values.shape)])
    height, width = values.shape
    return columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height


def on_film(box: tuple[float, float, float, float], size: tuple[int, int], data: ConfigDict) -> dict[str, float]:
    """A box of the square that the model saw as one of the film, of which `paper` cuts the middle."""
    seen = [1.0, 1.0]
    if data.eval_transform == 'paper':
        seen = [data.image_size * min(size) / (data.resize_size * side) for side in size]  # share of width, of height
    edges = [0.5 + (edge - 0.5) * seen[i % 2] for i, edge in enumerate(box)]
    return dict(zip(('x_min', 'y_min', 'x_max', 'y_max'), (round(float(edge), 4) for edge in edges), strict=True))
