"""Boxes of a 1024-pixel film on films of other sizes."""

import json

import numpy as np
import pytest

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.lab.alignment.lesions import Box, draw_box, read_boxes


@pytest.fixture
def write(tmp_path):
    """Writes a file of boxes."""

    def write(entries):
        path = tmp_path / 'boxes.json'
        path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
        return path

    return write


def entry(**changes):
    return {'id': 'a', 'finding': 'Nodule', 'xywh_1024': [256, 512, 128, 64]} | changes


def test_boxes_are_read_by_study_under_our_names(write):
    found = read_boxes(write([entry(), entry(finding='Cardiomegaly', view=1), entry(id='b', finding='Infiltrate')]))
    assert found == {
        'a': [Box('Lung Lesion', 0, 0.25, 0.5, 0.375, 0.5625), Box('Cardiomegaly', 1, 0.25, 0.5, 0.375, 0.5625)],
        'b': [Box('Lung Opacity', 0, 0.25, 0.5, 0.375, 0.5625)],
    }


@pytest.mark.parametrize(
    'entries, message',
    [
        ([entry(finding='Hernia')], "boxes.json, study a: .* got 'Hernia'"),
        ([entry(xywh_1024=[1, 2, 0, 4])], 'boxes.json, study a: .*a box with an area'),
        ([entry(xywh_1024=[1, 'x', 3, 4])], "boxes.json, study a: .* four numbers, got .1, 'x', 3, 4"),
        ([entry(xywh_1024=[1, 2, 3])], 'study a: .* four numbers'),
        ([entry(xywh_1024=5)], 'study a: .* four numbers, got 5'),
        ([entry(view='left')], 'boxes.json, study a: .*left'),
        ([{'id': 'a', 'finding': 'Mass'}], 'xywh_1024'),
        ('no json', 'JSON list of boxes'),
    ],
)
def test_a_wrong_file_is_refused(write, entries, message):
    with pytest.raises(ValueError, match=message):
        read_boxes(write(entries))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r'none\.json'):
        read_boxes(tmp_path / 'none.json')


def test_a_box_is_drawn_at_the_films_size():
    mask = np.asarray(draw_box(Box('Edema', 0, 0.25, 0.5, 0.375, 0.5625), (320, 160)))
    assert mask.shape == (160, 320)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (80, 89, 80, 119) and set(np.unique(mask)) == {0, 255}


def test_pixels_that_an_edge_cuts_count_in_part():
    mask = np.asarray(draw_box(Box('Edema', 0, 0.05, 0, 0.275, 1), (10, 2)))
    np.testing.assert_array_equal(mask[0], [128, 255, 191, 0, 0, 0, 0, 0, 0, 0])


def test_a_box_beyond_the_film_is_cut():
    mask = np.asarray(draw_box(Box('Edema', 0, -0.5, 0.5, 0.5, 1.5), (4, 4)))
    np.testing.assert_array_equal(mask > 0, np.outer([0, 0, 1, 1], [1, 1, 0, 0]))


def test_the_samples_boxes_are_read(shared_dir):
    boxes = read_boxes(shared_dir / 'data' / 'nih_sample' / 'boxes.json')
    assert sum(map(len, boxes.values())) == 12
    assert all(box.observation in OBSERVATIONS and 0 <= box.left < box.right <= 1 for b in boxes.values() for box in b)
