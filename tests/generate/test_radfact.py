"""Boxes of sentences."""

import numpy as np
import pytest
from ml_collections import ConfigDict

from camanet_jax.generate.radfact import grounded_sentences, plain_sentences

WHOLE = ConfigDict({'eval_transform': 'official', 'image_size': 224, 'resize_size': 256})
MIDDLE = ConfigDict({'eval_transform': 'paper', 'image_size': 128, 'resize_size': 256})


def bright(*places):
    """Maps of one word each over two films of 4 x 8 places: bright at (row, column) of the first film."""
    maps = np.full((len(places), 2, 4, 8), 0.1)
    for values, (row, column) in zip(maps, places, strict=True):
        values[0, row, column] = 1.0
        values[1, 0, 0] = 5.0  # the other film counts nowhere
    return maps


def test_a_box_around_the_places_where_the_words_of_a_sentence_looked():
    words = ['left', 'effusion', '.', 'clear', '.']
    maps = bright((1, 2), (1, 3), (0, 0), (3, 7), (0, 0))
    maps[1, 0, 3, 7] = 0.9  # bright too, but apart from the brightest
    first, second = grounded_sentences(words, maps, (100, 100), WHOLE)
    assert first == {'text': 'left effusion.', 'boxes': [{'x_min': 0.25, 'y_min': 0.25, 'x_max': 0.5, 'y_max': 0.5}]}
    assert second['boxes'] == [{'x_min': 0.875, 'y_min': 0.75, 'x_max': 1.0, 'y_max': 1.0}]


def test_what_the_crop_left_out_stays_outside():
    (found,) = grounded_sentences(['x'], bright((0, 0)), (200, 100), MIDDLE)
    # Seen are the middle half of the height and the middle quarter of the width.
    assert found['boxes'] == [{'x_min': 0.375, 'y_min': 0.25, 'x_max': pytest.approx(0.4062, abs=1e-4), 'y_max': 0.375}]


def test_even_attention_has_no_box_and_no_words_no_sentence():
    assert grounded_sentences(['x', '.', '.'], np.ones((3, 1, 4, 4)), (9, 9), WHOLE) == [{'text': 'x.', 'boxes': None}]
    assert grounded_sentences([], np.ones((0, 1, 4, 4)), (9, 9), WHOLE) == []
    assert plain_sentences(' A 1.5 cm nodule.  Clear? ') == [
        {'text': 'A 1.5 cm nodule.', 'boxes': None},
        {'text': 'Clear?', 'boxes': None},
    ]
