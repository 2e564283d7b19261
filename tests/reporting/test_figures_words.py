"""The words that a figure shows."""

import numpy as np

from camanet_jax.explain import Explanation
from camanet_jax.reporting.figures import important_positions, text_pieces

WORDS = 'the heart is enlarged . the <unk> effusion .'.split()


def explanation(peaks, selected=None):
    attention = np.zeros((len(WORDS), 1, 2, 2))
    attention[:, 0, 0, 0] = peaks
    return Explanation(np.zeros(len(WORDS)), attention, attention, selected=selected)


def test_selected_words_by_rank_once_without_punctuation_and_unknown():
    chosen = important_positions(WORDS, explanation(0.25, selected=[5, 4, 3, 6, 0, 7]))
    assert [WORDS[place] for place in chosen] == ['the', 'enlarged', 'effusion']
    assert chosen[0] == 5  # the better ranked of two equal words


def test_without_vtac_content_words_by_peak():
    chosen = important_positions(WORDS, explanation([0.9, 0.3, 0.9, 0.4, 0.9, 0.9, 0.9, 0.5, 0.9]))
    assert [WORDS[place] for place in chosen] == ['effusion', 'enlarged', 'heart']


def test_punctuation_stays_with_its_word():
    pieces = text_pieces(WORDS, marked=[3])
    assert pieces[:4] == [('the', False), ('heart', False), ('is', False), ('enlarged.', True)]
    assert text_pieces([]) == []
