"""One study by several systems: the same words, the same scale, reports side by side."""

import numpy as np
import pytest
from explained import WORDS, explanation
from PIL import Image

from camanet_jax.lab.ablation import comparison
from camanet_jax.lab.ablation.comparison import WORDS as DRAWN
from camanet_jax.lab.ablation.comparison import System, common_words, draw_comparison, shared_maps, system_cells
from camanet_jax.reporting.overlays import Scale

OTHERS = ['heart', 'effusion', 'heart', '.']


def films(views, size=64):
    return np.tile(np.linspace(0, 255, size).astype(np.uint8), (views, size, 1))


def system(name, words, kind='camanet', views=1):
    return System(name, words, explanation(words, views, side=2, system=kind))


@pytest.mark.parametrize('views', [1, 2])
def test_every_system_has_a_row(tmp_path, views):
    heights = []
    for kinds in (['base'], ['base', 'vdmae', 'camanet']):
        systems = [system(kind, WORDS, kind, views) for kind in kinds]
        path = draw_comparison(tmp_path / 'a' / 's.png', films(views), systems, study_id='s', reference='the heart .')
        with Image.open(path) as image:
            pixels = np.asarray(image.convert('RGB')).astype(int)
        heights.append(len(pixels))
        assert (pixels[:, -20:] == 255).all() and np.ptp(pixels, axis=-1).max() > 50  # margins free, heat drawn
    assert heights[1] - heights[0] >= 2 * views * comparison.FILM


def test_the_words_are_those_that_most_systems_wrote():
    words = common_words([system('a', OTHERS, 'base'), system('b', WORDS)], reference='clear .')
    shared = [word for word in words if word in OTHERS and word in WORDS]
    assert words[: len(shared)] == shared and len(words) <= DRAWN
    assert '.' not in words and len(set(words)) == len(words)


def test_words_that_name_a_finding_come_first():
    findings = ['there', 'is', 'a', 'large', 'pneumothorax', '.']
    assert common_words([system('a', findings), system('b', OTHERS)], 'the heart is normal .')[0] == 'pneumothorax'
    assert 'pneumothorax' not in common_words([system('b', OTHERS)], ' '.join(findings))  # nobody wrote it


def test_what_a_system_lacks_is_said_over_the_bare_film():
    cells = system_cells(system('a', OTHERS, 'base'), ['heart', 'pneumothorax'], Scale())
    assert [(cell.caption, cell.note) for cell in cells[1:3]] == [('VDM', 'has none'), ('TDM', 'has none')]
    assert cells[3].maps is not None and (cells[4].note, cells[4].maps) == ('not written', None)


def test_all_rows_share_one_scale():
    systems = [system('a', OTHERS), system('b', WORDS)]
    assert shared_maps(systems, ['heart'], films(1)).shape == (sum('heart' in s.words for s in systems), 1, 2, 2)
    assert len(shared_maps(systems, [], films(1))) == 0


def test_empty_reports_are_drawn(tmp_path):
    draw_comparison(tmp_path / 's.png', films(1), [system('a', []), system('b', [])], study_id='s', reference='')
    assert (tmp_path / 's.png').exists()


def test_a_text_that_was_not_explained_is_refused(tmp_path):
    wrong = System('a', WORDS[1:], explanation(WORDS, 1))
    with pytest.raises(ValueError, match='Expected the 12 words'):
        draw_comparison(tmp_path / 's.png', films(1), [wrong], study_id='s', reference='')
