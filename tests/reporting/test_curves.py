"""Curves from a metrics file."""

import json

import numpy as np
import pytest
from PIL import Image

from camanet_jax.reporting.curves import draw_curves, selected_epoch, smoothed

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


def test_the_first_best_epoch_is_selected():
    rows = [val_row(1, 1, 0.2), val_row(2, 2, 0.4), val_row(3, 3, 0.4), val_row(4, 4, float('nan'))]
    assert selected_epoch(rows) == 2
    assert selected_epoch([]) is None


def test_smoothing_keeps_constants_and_leaves_a_gap_at_nan():
    values = np.full(400, 2.0)
    values[100] = np.nan
    np.testing.assert_allclose(smoothed(values), values)
    np.testing.assert_allclose(smoothed(np.arange(10.0)), np.arange(10))  # too short to smooth
