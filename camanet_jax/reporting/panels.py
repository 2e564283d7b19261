"""Parts of a figure beside the maps: headed paragraphs, the table of observations, scales of colour."""

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.metrics.classification import PRESENT
from camanet_jax.reporting.overlays import colour_bar
from camanet_jax.reporting.page import BLUE, BODY, FAINT, INK, RULE, SMALL, Page

SECTION_GAP = 24  # pixels
ROW = 19
BAR_WIDTH, BAR_HEIGHT, BAR_LABEL = 150, 12, 14


@dataclasses.dataclass(frozen=True)
class Observations:
    """What an image shows, by the classifier and by the pseudo-labels; None where one of them is missing.

    Attributes:
      probabilities: [Y].
      labels: [Y], 0 or 1; NaN where there is none.
    """

    probabilities: Sequence[float] | None
    labels: Sequence[float] | None

    @classmethod
    def of(cls, probabilities: Sequence[float] | None, labels: Sequence[float] | None) -> 'Observations':
        """Labels that hold NaN count as missing."""
        if labels is not None and np.isnan(np.asarray(labels, np.float64)).all():
            labels = None
        return cls(probabilities, labels)


def draw_section(
    page: Page, x: float, y: float, width: float, heading: str, pieces: Iterable[tuple[str, bool]]
) -> float:
    """A heading and a paragraph. Returns the bottom with the gap to the next section."""
    return page.paragraph(x, draw_heading(page, x, y, width, heading), width, pieces) + SECTION_GAP


def draw_heading(page: Page, x: float, y: float, width: float, heading: str) -> float:
    """A bold line over a rule. Returns where the section's content starts."""
    page.text(x, y + BODY, heading, weight='bold', fit=width)
    page.box(x, y + 1.5 * BODY, width, 1, RULE)
    return y + 2 * BODY


def draw_observations(page: Page, x: float, y: float, width: float, observations: Observations) -> float:
    """The table of observations: predicted and pseudo-labels side by side, with probabilities. Returns the bottom."""
    probabilities, labels = observations.probabilities, observations.labels
    if probabilities is None and labels is None:
        return y
    y = draw_heading(page, x, y, width, 'Observations')
    columns = (x + 0.52 * width, x + 0.77 * width)
    names = (
        'predicted' if probabilities is not None else 'no classifier',
        'pseudo-label' if labels is not None else 'no pseudo-label',
    )
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
    """A filled square for present, an outline for absent."""
    page.box(x, baseline - 10, 11, 11, BLUE if positive else RULE, filled=positive)


def draw_probability(page: Page, x: float, baseline: float, width: float, probability: float) -> None:
    """A mark for presence, the number, and the number as a bar in a frame."""
    draw_mark(page, x, baseline, probability >= PRESENT)
    page.text(x + 18, baseline, f'{probability:.2f}', size=SMALL, colour=INK if probability >= PRESENT else FAINT)
    page.box(x + 52, baseline - 6, (width - 26) * probability, 4, BLUE)


def draw_scale_bar(page: Page, x: int, y: float, ends: tuple[str, str], name: str) -> float:
    """A bar of the colours between the values at its ends, and what they mean. Returns the bottom."""
    top = math.ceil(y)
    left = x + BAR_LABEL
    page.text(left - 6, top + BAR_HEIGHT - 1, ends[0], size=SMALL, align='right')
    page.image(left, top, colour_bar(BAR_HEIGHT, BAR_WIDTH))
    page.text(left + BAR_WIDTH + 6, top + BAR_HEIGHT - 1, ends[1], size=SMALL)
    page.text(left + BAR_WIDTH + 50, top + BAR_HEIGHT - 1, name, size=SMALL, colour=FAINT)
    return top + 2 * BAR_HEIGHT
