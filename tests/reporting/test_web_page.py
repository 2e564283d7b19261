"""Templates and what is written into them."""

import base64
import io
import json
import re

import numpy as np
import pytest
from explained import WORDS, explanation
from PIL import Image

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.reporting.overlays import COLOURS
from camanet_jax.reporting.web_page import WEB, escape, fill_template, json_text, study_data, viewer_settings
from camanet_jax.synthetic.studies import make_study

PARTS = {
    'report.html': ('title', 'facts', 'test', 'validation', 'config', 'curves', 'count', 'data'),
    'app.html': ('run', 'films', 'megabytes', 'data'),
}


def filled(name: str) -> str:
    return fill_template(name, **{part: f'<i>{part}</i>' for part in PARTS[name]})


@pytest.mark.parametrize('name', PARTS)
def test_templates_take_every_part_and_every_file(name):
    page = filled(name)
    assert all(f'<i>{part}</i>' in page for part in PARTS[name])
    assert (WEB / 'viewer.js').read_text() in page and (WEB / 'viewer.css').read_text() in page
    assert '{{' not in page


@pytest.mark.parametrize('name', PARTS)
def test_pages_ask_for_nothing_from_outside(name):
    page = filled(name)
    assert not re.search(r'https?://|//[a-z]+\.|@import|url\(|<link (?!rel="icon" href="data:)', page)
    assert not re.findall(r'src="(?!data:)', page)


def test_a_missing_part_is_an_error():
    with pytest.raises(KeyError, match='facts'):
        fill_template('report.html', title='')


def test_no_text_ends_the_script_that_holds_it():
    hostile = {'report': '</script><script>alert(1)</script>', 'sign': '<!-- & "é"'}
    assert '<' not in json_text(hostile) and json.loads(json_text(hostile)) == hostile
    with pytest.raises(ValueError, match='JSON compliant'):
        json_text([float('nan')])


def test_escape():
    assert escape('a<b & "c"') == 'a&lt;b &amp; &quot;c&quot;'


FILMS = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (2, 64, 1))


def values(stack: dict) -> np.ndarray:
    """As web/maps.js decodes them."""
    quantised = np.frombuffer(base64.b64decode(stack['bytes']), np.uint8).reshape(stack['shape'])
    return quantised / 255 * stack['top']


def test_maps_come_back_to_within_a_step_of_their_bytes():
    explained = explanation()
    maps = study_data('s1', FILMS, WORDS, explained)['maps']
    expected = {
        'word': explained.predicting_attention * 98,
        'vdm': explained.vdm[None],
        'tdm': explained.tdm[None],
        'class': explained.cams,
    }
    assert maps.keys() == expected.keys()
    for kind, true in expected.items():
        np.testing.assert_allclose(values(maps[kind]), true, atol=0.51 * true.max() / 255)
        assert maps[kind]['low'] < maps[kind]['high']


def test_heat_of_words_begins_at_uniform_attention():
    scale = study_data('s1', FILMS, WORDS, explanation())['maps']['word']
    assert scale['low'] == 1 and 2 <= scale['high'] <= scale['top']


@pytest.mark.parametrize(('system', 'kinds'), [('base', {'word'}), ('vdmae', {'word', 'vdm', 'class'})])
def test_what_a_system_lacks_is_left_out(system, kinds):
    found = study_data('s1', FILMS, WORDS, explanation(system=system))
    assert found['maps'].keys() == kinds and found['selected'] == []
    assert (found['probabilities'] is None) == (system == 'base')


def test_an_empty_report_and_empty_maps_are_valid_json():
    empty = explanation([])
    empty.vdm[:] = 0
    found = json.loads(json.dumps(study_data('s1', FILMS, [], empty, reference='', labels=None), allow_nan=False))
    assert found['words'] == found['log_probs'] == [] and found['maps']['word']['shape'] == [0, 2, 7, 7]
    assert values(found['maps']['vdm']).max() == 0


def test_large_films_are_made_small_and_stay_like_themselves():
    film = np.tile(np.linspace(0, 255, 600).astype(np.uint8), (400, 1))
    found = study_data('s1', film[None], [], explanation([], 1))['films'][0]
    shown = Image.open(io.BytesIO(base64.b64decode(found)))
    assert shown.size == (256, 171) and shown.mode == 'L'
    np.testing.assert_allclose(np.asarray(shown)[85], np.linspace(0, 255, 256), atol=6)


def test_the_colours_are_those_of_the_figures():
    table = np.frombuffer(base64.b64decode(viewer_settings()['colours']), np.uint8).reshape(256, 4)
    np.testing.assert_allclose(table[255, :3], np.array(COLOURS(1.0)[:3]) * 255, atol=1)
    assert table[0, 3] == 0 and table[255, 3] == 255 and (np.diff(table[:, 3].astype(int)) >= 0).all()
    assert viewer_settings()['observations'] == list(OBSERVATIONS)


def test_two_hundred_studies_of_the_largest_kind_stay_under_thirty_megabytes():
    study, words = make_study(0, 'test', 0, 224), (WORDS * 9)[:100]
    found = study_data('s1', study.films, words, explanation(words), reference=study.report, labels=list(study.labels))
    assert 200 * len(json.dumps(found)) < 20e6
