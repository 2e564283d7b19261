"""Which words make the TDM, on a pass written by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from camanet_jax.lab.ablation.selection import BOUNDARY, study_selection, summarise

WORDS = [BOUNDARY, 'no', 'effusion', '.', 'heart', 'is', 'large', '.']


def one_pass(similarity, selected, attention):
    """An output of one study with two patches."""
    selection = np.zeros((1, len(WORDS)))
    selection[0, selected] = 1
    return SimpleNamespace(
        selection=selection,
        word_similarity=np.array([similarity]),
        word_attention=np.array([attention]),
        tdm=np.array([[0.0, 1.0]]),
        encoding=SimpleNamespace(vdm=np.array([[0.5, 1.0]])),
    )


@pytest.fixture
def study():
    """Selected are "no", which looks at the second patch, and "heart", which looks at the first."""
    attention = np.full((len(WORDS), 2), 0.5)
    attention[1], attention[4] = (0.1, 0.9), (0.8, 0.2)
    return study_selection(
        one_pass([0, 0.9, 0.1, 0.1, 0.4, 0, -0.5, 0], [1, 4], attention), 0, WORDS, ['Cardiomegaly'], 'word'
    )


def test_the_maker_of_a_patch_is_the_word_with_the_largest_weighted_map(study):
    assert [WORDS[place] for place in study.makers] == ['heart', 'no']
    assert [word for word, flag in zip(WORDS, study.finding, strict=True) if flag] == ['heart', 'large']


def test_the_summary_counts_words_and_patches(study):
    found = summarise([study])
    assert found['selected_share'] == 2 / 8 and found['selected_share_of_finding_words'] == 1 / 2
    assert found['made_by_finding_words'] == 1 / 2 and found['makers'] == {'heart': 0.5, 'no': 0.5}
    assert found['tdm_vdm_correlation'] == pytest.approx(1)
    assert found['vtac_mse'] == pytest.approx(0.125) and found['empty_tdm_mse'] == pytest.approx(0.625)


def test_the_official_maps_are_not_scaled_word_by_word():
    attention = np.full((len(WORDS), 2), 0.5)
    attention[1] = (0.55, 0.45)
    output = one_pass([0, 0.5, 0, 0, 0.6, 0, 0, 0], [1, 4], attention)
    assert [WORDS[place] for place in study_selection(output, 0, WORDS, [], 'map').makers] == ['heart', 'heart']
    assert [WORDS[place] for place in study_selection(output, 0, WORDS, [], 'word').makers][0] == 'no'
