"""Figures of studies: every system, one and two views, small films, an empty report."""

import dataclasses

import numpy as np
import pytest
from explained import WORDS, explanation
from PIL import Image

from camanet_jax.reporting.figures import STUDY_WIDTH, draw_study, draw_words


def films(views, size=64):
    return np.tile(np.linspace(0, 255, size).astype(np.uint8), (views, size, 1))


def read(path):
    with Image.open(path) as image:
        return np.asarray(image.convert('RGB')).astype(int)


@pytest.mark.parametrize('views', [1, 2])
@pytest.mark.parametrize('system', ['base', 'vdmae', 'camanet'])
def test_study_figure_is_written_for_every_system(tmp_path, system, views):
    path = tmp_path / 'figures' / 'study.png'
    found = draw_study(
        path,
        films(views),
        WORDS,
        explanation(WORDS, views, side=2, system=system),
        study_id='s1',
        reference='the heart is enlarged .',
        pseudo_labels=[0, 1] * 7,
    )
    pixels = read(path)
    assert found == path and pixels.shape[1] == STUDY_WIDTH
    assert (pixels[:, -20:] == 255).all() and (pixels[-20:] == 255).all()  # nothing runs over the margins


@pytest.mark.parametrize('labels', [None, [np.nan] * 14])
def test_empty_reports_and_missing_labels(tmp_path, labels):
    empty = explanation([], 2, side=2)
    draw_study(tmp_path / 'a.png', films(2), [], empty, study_id='s1', reference='', pseudo_labels=labels)
    draw_words(tmp_path / 'b.png', films(2), [], empty, study_id='s1')
    assert (tmp_path / 'a.png').exists() and (tmp_path / 'b.png').exists()


def test_an_empty_map_shows_no_heat(tmp_path):
    vdm_only = dataclasses.replace(explanation([], 1, side=2, system='vdmae'), vdm=np.zeros((1, 2, 2)))
    draw_study(tmp_path / 'a.png', films(1), [], vdm_only, study_id='s1', reference='')
    maps = read(tmp_path / 'a.png')[92:300, 28:460]
    assert np.ptp(maps, axis=-1).max() == 0
    shown = dataclasses.replace(vdm_only, vdm=np.ones((1, 2, 2)))
    draw_study(tmp_path / 'b.png', films(1), [], shown, study_id='s1', reference='')
    assert np.ptp(read(tmp_path / 'b.png')[92:300, 248:456], axis=-1).min() > 50


def test_words_figure_grows_with_the_report(tmp_path):
    heights = []
    for words in (WORDS, WORDS * 3):
        explained = explanation(words, 1, side=2)
        heights.append(len(read(draw_words(tmp_path / 'a.png', films(1), words, explained, study_id='s1'))))
    assert heights[1] > heights[0]


def test_a_text_that_was_not_explained_is_refused(tmp_path):
    with pytest.raises(ValueError, match='Expected the 12 words .* got 11'):
        draw_words(tmp_path / 'a.png', films(1), WORDS[1:], explanation(WORDS, 1), study_id='s1')
