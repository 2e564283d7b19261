"""Curves of a run from its metrics.jsonl: losses, the optimiser, validation scores."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from camanet_jax import losses
from camanet_jax.run.files import replacing
from camanet_jax.run.metrics_log import read_metrics

# Okabe and Ito's colours, which any colour vision can tell apart.
COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7')
INK, FAINT = '#1a1a1a', '#767676'
SMOOTHING = 40  # the smoothed line averages about 1/40 of a run
PANEL_WIDTH, PANEL_HEIGHT, COLUMNS = 4.2, 2.7, 2  # inches

Rows = list[dict[str, Any]]
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
    train, val = ([row for row in rows if row['split'] == split] for split in ('train', 'val'))
    figures = {
        'losses.png': draw_panels(LOSSES, lambda axes, names: draw_loss(axes, names[0], train, val), train),
        'optimiser.png': draw_panels(OPTIMISER, lambda axes, names: draw_steps(axes, names, train), train),
        'scores.png': draw_panels(SCORES, lambda axes, names: draw_epochs(axes, names, val), val),
    }
    return [save(figure, Path(figures_dir) / name) for name, figure in figures.items() if figure is not None]


def draw_panels(titles: dict[str, list[str]], draw: Callable[[Axes, list[str]], None], rows: Rows) -> Figure | None:
    """Draws a panel for each title with metrics in `rows`; returns None where there are none."""
    logged = {name for row in rows for name in row}
    panels = {title: [name for name in names if name in logged] for title, names in titles.items()}
    panels = {title: names for title, names in panels.items() if names}
    if not panels:
        return None
    columns = min(COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure((PANEL_WIDTH * columns, PANEL_HEIGHT * lines), dpi=120, layout='constrained')
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    for number, (title, names) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(lines, columns, number)
        draw(axes, names)
        decorate(axes, title)
    return figure


def draw_loss(axes: Axes, name: str, train: Rows, val: Rows) -> None:
    """Draws a term of the objective, unweighted: every train step faintly, its moving average, and the val split."""
    steps, values = series(train, name, 'step')
    axes.plot(steps, values, color=COLOURS[0], alpha=0.25, linewidth=0.8)
    axes.plot(steps, smoothed(values), color=COLOURS[0], label='train', **marker_if_short(steps))
    steps, values = series(val, name, 'step')
    if len(steps):
        axes.plot(steps, values, color=COLOURS[1], label='val', marker='o', markersize=3.5)
    axes.set_xlabel('step')


def draw_steps(axes: Axes, names: Sequence[str], train: Rows) -> None:
    """Draws metrics of train steps."""
    for name, colour in zip(names, COLOURS, strict=False):
        steps, values = series(train, name, 'step')
        axes.plot(steps, values, color=colour, linewidth=1.2, label=name, **marker_if_short(steps))
    axes.set_xlabel('step')


def draw_epochs(axes: Axes, names: Sequence[str], val: Rows) -> None:
    """Draws scores of the val split, and a dashed line at the selected epoch."""
    for name, colour in zip(names, COLOURS, strict=False):
        axes.plot(*series(val, name, 'epoch'), color=colour, label=name.replace('_', '-'), marker='o', markersize=3.5)
    selected = selected_epoch(val)
    axes.set_xlabel('epoch' if selected is None else f'epoch (dashed: selected, {selected})')
    if selected is not None:
        axes.axvline(selected, color=INK, linestyle=(0, (4, 3)), linewidth=1, zorder=0)
    axes.margins(y=0.1)


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


def marker_if_short(steps: np.ndarray) -> dict[str, Any]:
    """Markers for lines of one or two points, of which one alone would be invisible."""
    return {'marker': 'o', 'markersize': 3.5} if len(steps) < 3 else {}


def decorate(axes: Axes, title: str) -> None:
    """Adds the title, beside it a legend for more than one line, and a light grid."""
    axes.set_title(title, loc='left', fontsize=10, fontweight='bold', color=INK, pad=8)
    handles, _ = axes.get_legend_handles_labels()
    if len(handles) > 1:
        spacing = dict(columnspacing=1.0, handlelength=1.4, borderaxespad=0.1)
        style = dict(loc='lower right', bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8)
        axes.legend(ncols=len(handles), **style, **spacing)
    if title in LOG_SCALE:
        axes.set_yscale('log')
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    axes.grid(color='#e6e6e6', linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    axes.tick_params(which='both', labelsize=8, colors=FAINT)
    axes.xaxis.label.set(fontsize=9, color=FAINT)


def save(figure: Figure, path: Path) -> Path:
    """Writes a PNG file, and makes its folder where it is missing."""
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, facecolor='white', format='png')
    return path
