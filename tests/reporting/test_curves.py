"""Curves from a metrics file."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from camanet_jax.reporting.curves import MOST_POINTS, curves_html, draw_curves, draw_line, selected_epoch, smoothed

TRAIN = {
    'loss': 3.0,
    'report_nll': 2.0,
    'gradient_norm': 1.0,
    'lr_backbone': 1e-3,
    'lr_decoder': 2e-3,
    'empty_vdm_share': 0.5,
}
SCORES = {'report_nll': 2.5, 'BLEU_1': 0.3, 'BLEU_4': 0.1, 'ROUGE_L': 0.3, 'CIDEr': 0.2, 'distinct_reports': 5}


def write(path, rows):
    path.write_text(''.join(json.dumps(row) + '\n' for row in rows))
    return path


def train_row(step, epoch=1):
    return {'step': step, 'epoch': epoch, 'split': 'train', **TRAIN}


def val_row(step, epoch, score):
    return {'step': step, 'epoch': epoch, 'split': 'val', 'selection_score': score, **SCORES}


def test_every_figure_named_is_written(tmp_path):
    rows = [train_row(1), train_row(2), val_row(2, 1, 0.2), train_row(3, 2), val_row(3, 2, 0.3)]
    path = write(tmp_path / 'metrics.jsonl', rows)
    path.write_text(path.read_text() + '{"step": 4, "ep')  # a line that a kill cut short
    written = draw_curves(path, tmp_path / 'figures')
    assert [file.name for file in written] == ['losses.png', 'optimiser.png', 'scores.png']
    for file in written:
        with Image.open(file) as image:
            assert np.ptp(np.asarray(image.convert('RGB'))[..., 0]) > 100 and image.width <= 1200


def test_figures_without_metrics_are_left_out(tmp_path):
    written = draw_curves(write(tmp_path / 'metrics.jsonl', [train_row(1)]), tmp_path)
    assert [file.name for file in written] == ['losses.png', 'optimiser.png']


def test_an_empty_log_is_an_error(tmp_path):
    with pytest.raises(ValueError, match='Expected lines of metrics'):
        draw_curves(write(tmp_path / 'metrics.jsonl', []), tmp_path)


@pytest.fixture
def page():
    """The curves of three steps and two epochs as HTML."""
    rows = [train_row(1), train_row(2), val_row(2, 1, 0.2), train_row(3, 2), val_row(3, 2, 0.3)]
    rows.append(val_row(4, 3, float('nan')))
    return ElementTree.fromstring(f'<div>{curves_html(rows)}</div>')


def test_every_logged_metric_has_a_panel_in_the_page_and_no_other(page):
    assert [figure.get('aria-label').split('. Last')[0] for figure in page] == [
        *('Total loss', 'Report NLL per word', 'Learning rates', 'Norms', 'Share of studies with an empty VDM'),
        *('BLEU', 'METEOR and ROUGE-L', 'CIDEr', 'Selection score', 'Distinct reports'),
    ]
    assert page[0].get('aria-label') == 'Total loss. Last: train 3.'
    assert page[8].get('aria-label') == 'Selection score. Last: selection score 0.3.'
    assert 'epoch (dashed: selected, 2)' in ''.join(page.itertext())
    assert curves_html([]) == ''


def test_the_pages_style_sheet_colours_the_curves_and_no_id_occurs_twice(page):
    styles = ' '.join(element.get('style', '') for element in page.iter())
    assert 'var(--series-0)' in styles and 'var(--ink)' in styles
    assert '#0' not in styles.replace('url(#', '') and '<g id' not in styles
    ids = [element.get('id') for element in page.iter() if element.get('id')]
    assert len(ids) == len(set(ids)) > 10


def test_long_runs_are_thinned_and_their_ends_kept():
    axes = Figure().add_subplot()
    draw_line(axes, np.arange(1, 20_001), np.ones(20_000))
    positions = axes.lines[0].get_xdata()
    assert len(positions) == MOST_POINTS and (positions[0], positions[-1]) == (1, 20_000)
    draw_line(axes, np.array([1]), np.ones(1))
    assert axes.lines[1].get_marker() == 'o'


def test_the_first_best_epoch_is_selected():
    rows = [val_row(1, 1, 0.2), val_row(2, 2, 0.4), val_row(3, 3, 0.4), val_row(4, 4, float('nan'))]
    assert selected_epoch(rows) == 2
    assert selected_epoch([]) is None


def test_smoothing_keeps_constants_and_leaves_a_gap_at_nan():
    values = np.full(400, 2.0)
    values[100] = np.nan
    np.testing.assert_allclose(smoothed(values), values)
    np.testing.assert_allclose(smoothed(np.arange(10.0)), np.arange(10))  # too short to smooth
