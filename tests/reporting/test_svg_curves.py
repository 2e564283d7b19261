"""Curves as SVG."""

import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from camanet_jax.reporting.svg_curves import BOTTOM, LEFT, RIGHT, TOP, Frame, Line, curves_html, figure, path


@pytest.fixture
def metrics(tmp_path):
    """A run of 1000 steps and two epochs."""
    rows = [
        {'step': step, 'epoch': 1, 'split': 'train', 'loss': 5 / step, 'report_nll': 4 / step, 'lr_decoder': 1e-3}
        for step in range(1, 1001)
    ]
    rows += [
        {
            'step': 500 * epoch,
            'epoch': epoch,
            'split': 'val',
            'report_nll': 0.5,
            'BLEU_4': 0.1 * epoch,
            'selection_score': float('nan') if epoch == 1 else 0.3,
        }
        for epoch in (1, 2)
    ]
    file = tmp_path / 'metrics.jsonl'
    file.write_text(''.join(json.dumps(row) + '\n' for row in rows))
    return file


def test_every_logged_metric_has_a_panel_and_no_other(metrics):
    page = ElementTree.fromstring(f'<div>{curves_html(metrics)}</div>')
    titles = [''.join(caption.itertext()).split('  ')[0].strip() for caption in page.iter('figcaption')]
    assert [title.split(' train')[0] for title in titles] == [
        'Total loss',
        'Report NLL per word',
        'BLEU',
        'Selection score',
        'Learning rates',
    ]


def test_long_runs_are_thinned_and_their_ends_kept(metrics):
    lines = re.findall(r'class="line-0" d="([^"]+)"', curves_html(metrics))
    points = re.findall(r'[ML]([\d.]+) ([\d.]+)', lines[0])
    assert len(points) == 300
    assert float(points[0][0]) == LEFT and float(points[-1][0]) == RIGHT


def test_the_selected_epoch_is_marked(metrics):
    assert '<title>selected: epoch 2</title>' in curves_html(metrics)


def test_a_run_without_metrics_has_no_curves(tmp_path):
    assert curves_html(tmp_path / 'metrics.jsonl') == ''


def line(values) -> Line:
    return Line('x', 'line-0', np.arange(len(values)), np.array(values, float))


def test_values_lie_inside_the_frame_larger_ones_higher():
    for log in (False, True):
        y = Frame.around([line([1, 10, 100])], log).y(np.array([1, 10, 100]))
        assert (np.diff(y) < 0).all() and TOP < y[-1] and y[0] < BOTTOM
    assert y[0] - y[1] == pytest.approx(y[1] - y[2])  # logarithmic


def test_missing_values_break_a_line_and_a_single_one_is_a_dot():
    broken = line([1, 2, np.nan, 3, 4])
    assert re.findall('[ML]', path(broken, Frame.around([broken], log=False))) == ['M', 'L', 'M', 'L']
    single = line([1])
    assert path(single, Frame.around([single], log=False)).count('h0') == 1
    nothing_positive = line([0, 0])
    assert 'd=""' in path(nothing_positive, Frame.around([nothing_positive], log=True))


def test_a_panel_of_nothing_is_left_out():
    assert figure('Loss', 'step', [line([np.nan])]) == figure('Loss', 'step', []) == ''
