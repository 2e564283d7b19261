"""A run's curves as SVG inside a page: sharp at any size, coloured by the page's style sheet, in light and dark."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Num
from matplotlib.ticker import LogLocator, MaxNLocator

from camanet_jax.reporting.curves import LOG_SCALE, LOSSES, OPTIMISER, SCORES, Rows, selected_epoch, series, smoothed
from camanet_jax.reporting.web_page import escape
from camanet_jax.run.metrics_log import read_metrics

WIDTH, HEIGHT = 360, 210
LEFT, RIGHT, TOP, BOTTOM = 52, 350, 12, 180  # the edges of the drawing inside
MOST_POINTS = 300  # per line; more cannot be seen at this width


@dataclasses.dataclass(frozen=True)
class Line:
    """A named line; `style` is its classes in the style sheet."""

    name: str
    style: str
    positions: Num[np.ndarray, ' n']
    values: Float[np.ndarray, ' n']


@dataclasses.dataclass(frozen=True)
class Frame:
    """The mapping of values to the drawing. `bottom` and `top` are logarithms where the scale is logarithmic."""

    first: int
    last: int
    bottom: float
    top: float
    log: bool

    @classmethod
    def around(cls, lines: Sequence[Line], log: bool) -> 'Frame':
        """The frame around all points of the lines that can be shown."""
        values = np.concatenate([line.values for line in lines])
        values = values[np.isfinite(values) & ((values > 0) if log else True)]
        values = np.log10(values) if log else values
        bottom, top = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        room = 0.06 * (top - bottom) or abs(top) * 0.1 or 0.1
        positions = np.concatenate([line.positions for line in lines])
        first, last = int(positions.min()), int(positions.max())
        return cls(first, max(last, first + 1), bottom - room, top + room, log)

    def x(self, positions: Num[np.ndarray, ' n']) -> Float[np.ndarray, ' n']:
        """Pixels from the left."""
        return LEFT + (RIGHT - LEFT) * (np.asarray(positions) - self.first) / (self.last - self.first)

    def y(self, values: Num[np.ndarray, ' n']) -> Float[np.ndarray, ' n']:
        """Pixels from the top; NaN for values without a logarithm on a logarithmic scale."""
        values = np.asarray(values, float)
        if self.log:
            values = np.log10(values, out=np.full(len(values), np.nan), where=values > 0)
        return BOTTOM - (BOTTOM - TOP) * (values - self.bottom) / (self.top - self.bottom)

    def ticks(self) -> np.ndarray:
        """Round values inside."""
        if self.log:
            ticks = LogLocator(numticks=5).tick_values(10**self.bottom, 10**self.top)
            return ticks[(np.log10(ticks) >= self.bottom) & (np.log10(ticks) <= self.top)]
        ticks = MaxNLocator(4).tick_values(self.bottom, self.top)
        return ticks[(ticks >= self.bottom) & (ticks <= self.top)]


def curves_html(metrics_path: Path) -> str:
    """The curves of all metrics in metrics.jsonl as HTML figures; empty where there is no such file."""
    if not metrics_path.exists():
        return ''
    rows = read_metrics(metrics_path)
    train, val = ([row for row in rows if row['split'] == split] for split in ('train', 'val'))
    best = selected_epoch(val)
    figures = [figure(title, 'step', loss_lines(names[0], train, val)) for title, names in LOSSES.items()]
    figures += [figure(title, 'epoch', metric_lines(names, val, 'epoch'), best) for title, names in SCORES.items()]
    figures += [figure(title, 'step', metric_lines(names, train, 'step')) for title, names in OPTIMISER.items()]
    return '\n'.join(figures)


def loss_lines(name: str, train: Rows, val: Rows) -> list[Line]:
    """The lines of a term of the objective: every step faintly, its moving average, the validation split."""
    steps, values = series(train, name, 'step')
    return [
        Line('', 'line-0 faint', *thinned(steps, values)),
        Line('train', 'line-0', *thinned(steps, smoothed(values))),
        Line('val', 'line-1', *series(val, name, 'step')),
    ]


def metric_lines(names: Sequence[str], rows: Rows, axis: str) -> list[Line]:
    """A line for each metric."""
    return [Line(as_label(name), f'line-{i}', *thinned(*series(rows, name, axis))) for i, name in enumerate(names)]


def as_label(name: str) -> str:
    """A metric's name for readers: BLEU-4 for BLEU_4, lr decoder for lr_decoder."""
    return name.removeprefix('time/').replace('_', '-' if name.isupper() else ' ')


def thinned(positions: Num[np.ndarray, ' n'], values: Num[np.ndarray, ' n']) -> tuple[np.ndarray, np.ndarray]:
    """At most MOST_POINTS points, evenly chosen, the first and the last among them."""
    chosen = np.unique(np.linspace(0, max(len(positions) - 1, 0), min(len(positions), MOST_POINTS)).round().astype(int))
    return positions[chosen], values[chosen]


def figure(title: str, axis: str, lines: Sequence[Line], mark: int | None = None) -> str:
    """A panel with its legend; empty where no line has a finite value. `mark` is the position of a vertical line."""
    lines = [line for line in lines if np.isfinite(line.values).any()]
    if not lines:
        return ''
    named = [line for line in lines if line.name]
    keys = ' '.join(f'<span class="key {line.style}">{escape(line.name)}</span>' for line in named)
    last = ', '.join(f'{line.name} {line.values[np.isfinite(line.values)][-1]:.4g}' for line in named)
    summary = escape(f'{title} by {axis}. Last: {last}.')
    return (
        f'<figure class="curve"><figcaption>{escape(title)} {keys if len(named) > 1 else ""}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{summary}">'
        f'{drawing(Frame.around(lines, title in LOG_SCALE), axis, lines, mark)}</svg></figure>'
    )


def drawing(frame: Frame, axis: str, lines: Sequence[Line], mark: int | None) -> str:
    """Grid, labels of the axes, lines."""
    ticks, parts = frame.ticks(), []
    for tick, y in zip(ticks, frame.y(ticks), strict=True):
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>')
        parts.append(f'<text class="end" x="{LEFT - 6}" y="{y + 4:.1f}">{tick:.4g}</text>')
    labels = (LEFT, frame.first, 'start'), ((LEFT + RIGHT) / 2, axis, 'middle'), (RIGHT, frame.last, 'end')
    parts += [f'<text class="{anchor}" x="{x}" y="{HEIGHT - 10}">{text}</text>' for x, text, anchor in labels]
    if mark is not None:
        x = frame.x(np.array([mark]))[0]
        parts.append(f'<path class="mark" d="M{x:.1f} {TOP}V{BOTTOM}"><title>selected: {axis} {mark}</title></path>')
    return ''.join(parts + [path(line, frame) for line in lines])


def path(line: Line, frame: Frame) -> str:
    """The SVG path of a line, broken where a value is missing; a single point becomes a dot."""
    points = np.stack([frame.x(line.positions), frame.y(line.values)], 1)
    known = np.isfinite(points).all(1)
    steps = [f'{"L" if i and known[i - 1] else "M"}{x:.1f} {y:.1f}' for i, (x, y) in enumerate(points) if known[i]]
    style, end = (f'{line.style} dot', 'h0') if len(steps) == 1 else (line.style, '')
    return f'<path class="{style}" d="{"".join(steps)}{end}"/>'
