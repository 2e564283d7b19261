"""Curves of a run from its metrics.jsonl, as PNG files and inside a page: losses, the optimiser, validation scores."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from camanet_jax import losses
from camanet_jax.reporting.web_page import escape
from camanet_jax.run.files import replacing
from camanet_jax.run.metrics_log import read_metrics

# Okabe and Ito's colours, which any colour vision can tell apart.
COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7')
INK, FAINT, RULE = '#1a1a1a', '#767676', '#e6e6e6'
THEMED = {INK: 'ink', FAINT: 'faint', RULE: 'rule'} | {colour: f'series-{i}' for i, colour in enumerate(COLOURS)}
SMOOTHING = 40  # the smoothed line averages about 1/40 of a run
PANEL_WIDTH, PANEL_HEIGHT, COLUMNS = 4.2, 2.7, 2  # inches
MOST_POINTS = 1000  # of a line; more cannot be seen at this width

Rows = list[dict[str, Any]]
Panels = dict[str, Callable[[Axes], None]]  # by title
# Titles of panels, and the metrics drawn in each.
LOSSES = {'Total loss': ['loss']} | {loss.title: [name] for name, loss in losses.LOSSES.items()}
OPTIMISER = {
    'Learning rates': ['lr_backbone', 'lr_decoder'],
    'Norms': ['gradient_norm', 'update_norm'],
    'Share of studies with an empty VDM': ['empty_vdm_share'],
    'Words that make a TDM': ['effective_words'],
    'Images per second': ['time/images_per_second'],
}
SCORES = {
    'BLEU': ['BLEU_1', 'BLEU_2', 'BLEU_3', 'BLEU_4'],
    'METEOR and ROUGE-L': ['METEOR', 'ROUGE_L'],
    'CIDEr': ['CIDEr'],
    'Selection score': ['selection_score'],
    'Distinct reports': ['distinct_reports'],
}
LOG_SCALE = ('Learning rates', 'Norms')


def draw_curves(metrics_path: str | Path, figures_dir: str | Path) -> list[Path]:
    """Draws losses.png and optimiser.png by step and scores.png by epoch, with the selected epoch marked.

    Figures without logged metrics are left out. Returns the files written.
    """
    rows = read_metrics(Path(metrics_path))
    if not rows:
        raise ValueError(f'Expected lines of metrics in {metrics_path}, got none; let the run log a step first.')
    return [draw_panels(panels, Path(figures_dir) / name) for name, panels in panels_of(rows).items() if panels]


def curves_html(rows: Rows) -> str:
    """The same panels as HTML figures: sharp at any size, in the colours of the page, light or dark."""
    return '\n'.join(html_figure(*panel) for panels in panels_of(rows).values() for panel in panels.items())


def panels_of(rows: Rows) -> dict[str, Panels]:
    """By name of the figure, the panels that have logged metrics."""
    train, val = ([row for row in rows if row['split'] == split] for split in ('train', 'val'))
    return {
        'losses.png': logged(LOSSES, train, lambda axes, names: draw_loss(axes, names[0], train, val)),
        'optimiser.png': logged(OPTIMISER, train, lambda axes, names: draw_steps(axes, names, train)),
        'scores.png': logged(SCORES, val, lambda axes, names: draw_epochs(axes, names, val)),
    }


def logged(titles: Mapping[str, list[str]], rows: Rows, draw: Callable[[Axes, list[str]], None]) -> Panels:
    """By title, functions that draw the metrics which `rows` hold."""
    known = {name for row in rows for name in row}
    by_title = {title: [name for name in names if name in known] for title, names in titles.items()}
    return {title: partial(draw, names=names) for title, names in by_title.items() if names}


def draw_panels(panels: Panels, path: Path) -> Path:
    """Draws the panels of one figure side by side."""
    columns = min(COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure((PANEL_WIDTH * columns, PANEL_HEIGHT * lines), dpi=120, layout='constrained')
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    for number, (title, draw) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(lines, columns, number)
        draw(axes)
        decorate(axes, title)
    return save(figure, path)


def html_figure(title: str, draw: Callable[[Axes], None]) -> str:
    """One panel as SVG, coloured by variables of the page's style sheet."""
    figure = Figure((PANEL_WIDTH, PANEL_HEIGHT), layout='constrained')
    axes = figure.add_subplot()
    draw(axes)
    decorate(axes, title)
    file = io.StringIO()
    with rc_context({'svg.fonttype': 'none', 'svg.hashsalt': title}):  # texts stay texts; ids are the panel's own
        figure.savefig(file, format='svg', transparent=True, metadata={'Date': None})
    svg = file.getvalue()
    svg = re.sub(r'<metadata>.*?</metadata>|(?<=<g) id="[^"]*"', '', svg[svg.index('<svg') :], flags=re.S)
    svg = re.sub('|'.join(THEMED), lambda colour: f'var(--{THEMED[colour[0]]})', svg)
    ys = {line.get_label(): np.array(line.get_ydata()) for line in axes.lines}  # lists for vertical lines
    lines = {name: y[np.isfinite(y)] for name, y in ys.items()}
    last = ', '.join(f'{name} {y[-1]:.4g}' for name, y in lines.items() if name[0] != '_' and len(y))
    return f'<figure class="curve" role="img" aria-label="{escape(f"{title}. Last: {last}.")}">{svg}</figure>'


def draw_loss(axes: Axes, name: str, train: Rows, val: Rows) -> None:
    """Draws a term of the objective, unweighted: train steps faintly, their moving average, and the val split."""
    steps, values = series(train, name, 'step')
    draw_line(axes, steps, values, color=COLOURS[0], alpha=0.25, linewidth=0.8)
    draw_line(axes, steps, smoothed(values), color=COLOURS[0], label='train')
    steps, values = series(val, name, 'step')
    if len(steps):
        axes.plot(steps, values, color=COLOURS[1], label='val', marker='o', markersize=3.5)
    axes.set_xlabel('step')


def draw_steps(axes: Axes, names: Sequence[str], train: Rows) -> None:
    """Draws metrics of train steps."""
    for name, colour in zip(names, COLOURS, strict=False):
        draw_line(axes, *series(train, name, 'step'), color=colour, linewidth=1.2, label=as_label(name))
    axes.set_xlabel('step')


def draw_line(axes: Axes, steps: np.ndarray, values: np.ndarray, **style: Any) -> None:
    """Draws a line through MOST_POINTS of its points, the ends among them; dots where it has one or two."""
    chosen = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), MOST_POINTS)).round().astype(int))
    dots = dict(marker='o', markersize=3.5) if len(steps) < 3 else {}  # a single point would be invisible
    axes.plot(steps[chosen], values[chosen], **style, **dots)


def draw_epochs(axes: Axes, names: Sequence[str], val: Rows) -> None:
    """Draws scores of the val split, and a dashed line at the selected epoch."""
    for name, colour in zip(names, COLOURS, strict=False):
        axes.plot(*series(val, name, 'epoch'), color=colour, label=as_label(name), marker='o', markersize=3.5)
    selected = selected_epoch(val)
    axes.set_xlabel('epoch' if selected is None else f'epoch (dashed: selected, {selected})')
    if selected is not None:
        axes.axvline(selected, color=INK, linestyle=(0, (4, 3)), linewidth=1, zorder=0)
    axes.margins(y=0.1)


def as_label(name: str) -> str:
    """A metric's name for readers: BLEU-4 for BLEU_4, lr decoder for lr_decoder."""
    return name.removeprefix('time/').replace('_', '-' if name.isupper() else ' ')


def selected_epoch(val: Rows) -> int | None:
    """The epoch of the best selection score, the first of equals."""
    scored = [row for row in val if np.isfinite(row.get('selection_score', np.nan))]
    return max(scored, key=lambda row: row['selection_score'])['epoch'] if scored else None


def series(rows: Rows, name: str, axis: str) -> tuple[np.ndarray, np.ndarray]:
    """The positions on the axis and the values of a metric, from the rows that have it."""
    rows = [row for row in rows if name in row]
    return np.array([row[axis] for row in rows], int), np.array([row[name] for row in rows], float)


def smoothed(values: np.ndarray) -> np.ndarray:
    """Centred moving average over finite values; the window shrinks at the ends; NaN leaves a gap."""
    half = len(values) // (2 * SMOOTHING)
    finite = np.isfinite(values)
    sums, counts = (np.concatenate([[0], np.cumsum(x)]) for x in (np.where(finite, values, 0), finite))
    low = np.maximum(np.arange(len(values)) - half, 0)
    high = np.minimum(np.arange(len(values)) + half + 1, len(values))
    return (sums[high] - sums[low]) / np.where(finite, counts[high] - counts[low], np.nan)


def decorate(axes: Axes, title: str) -> None:
    """Adds the title, beside it a legend for more than one line, and a light grid."""
    axes.set_title(title, loc='left', fontsize=10, fontweight='bold', color=INK, pad=8)
    handles, _ = axes.get_legend_handles_labels()
    if len(handles) > 1:
        spacing = dict(columnspacing=1.0, handlelength=1.4, borderaxespad=0.1)
        style = dict(loc='lower right', bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8, labelcolor=INK)
        axes.legend(ncols=len(handles), **style, **spacing)
    if title in LOG_SCALE:
        axes.set_yscale('log')
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    axes.grid(color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    axes.spines[['left', 'bottom']].set_color(FAINT)
    axes.tick_params(which='both', labelsize=8, colors=FAINT)
    axes.xaxis.label.set(fontsize=9, color=FAINT)


def save(figure: Figure, path: Path) -> Path:
    """Writes a PNG file, and makes its folder where it is missing."""
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, facecolor='white', format='png')
    return path
