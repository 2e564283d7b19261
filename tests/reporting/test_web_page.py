"""Templates and what is written into them."""

import json
import re

import pytest

from camanet_jax.reporting.web_page import WEB, escape, fill_template, json_text

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
