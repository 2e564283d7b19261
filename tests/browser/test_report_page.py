"""report.html driven as a reader does: point, press keys, find, sort, filter; both widths, light and dark."""

import json
import re

import pytest
from windows import NARROW, WIDE

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def address(trained) -> str:
    return (trained / 'report.html').as_uri()


@pytest.fixture
def page(open_page, address):
    """The page, scrolled to its studies, with the first one there."""
    page = open_page(address)
    page.locator('#studies').scroll_into_view_if_needed()
    page.locator('#cards').evaluate('cards => cards.scrollIntoView()')
    page.locator('.card .word').first.wait_for()
    return page


def heat(page) -> str:
    """The pixels of the first study's first map, as an address that holds them."""
    return page.locator('.viewer').first.locator('canvas').first.evaluate('canvas => canvas.toDataURL()')


def shown(page) -> str:
    return page.locator('.viewer').first.get_attribute('data-shown')


def test_pointing_at_a_word_shows_its_map_and_leaving_takes_it_back(page):
    words, before = page.locator('.viewer').first.locator('.word'), heat(page)
    words.nth(1).hover()
    assert shown(page) == 'word:1' and heat(page) != before
    first = heat(page)
    words.nth(4).hover()
    assert shown(page) == 'word:4' and heat(page) != first
    page.mouse.move(0, 0)
    assert shown(page) == 'vdm:0' and heat(page) == before


def test_a_click_keeps_the_map_and_another_lets_it_go(page):
    word = page.locator('.viewer').first.locator('.word').nth(2)
    word.click()
    page.mouse.move(0, 0)
    assert shown(page) == 'word:2' and word.get_attribute('aria-pressed') == 'true'
    word.click()
    page.mouse.move(0, 0)
    word.blur()
    assert shown(page) == 'none:0' and word.get_attribute('aria-pressed') == 'false'


def test_pointing_moves_nothing_on_the_page(open_page, address):
    for width in (WIDE, NARROW):
        page = open_page(address, width=width)
        words = page.locator('.viewer').first.locator('.word')
        page.locator('#cards').evaluate('cards => cards.scrollIntoView()')
        words.first.wait_for()
        places = [word.bounding_box() for word in words.all()]
        words.nth(3).hover()
        words.nth(5).hover()
        assert [word.bounding_box() for word in words.all()] == places


def test_the_keyboard_does_the_same(page):
    viewer = page.locator('.viewer').first
    viewer.locator('.word').first.focus()
    assert shown(page) == 'word:0'
    page.keyboard.press('ArrowRight')
    page.keyboard.press('ArrowRight')
    assert shown(page) == 'word:2'
    page.keyboard.press('Enter')
    page.keyboard.press('End')
    assert shown(page) == f'word:{viewer.locator(".word").count() - 1}'
    page.keyboard.press('Tab')
    assert shown(page) == 'class:0'  # the next stop: one stop for all words
    page.keyboard.press('Tab')
    assert shown(page) == 'word:2'  # the pinned one
    viewer.locator('[data-map="class:0"]').focus()
    page.keyboard.press('Escape')
    assert viewer.locator('[aria-pressed=true]').get_attribute('data-map') == 'none:0'


def test_layers_class_maps_and_opacity(page):
    viewer = page.locator('.viewer').first
    seen = []
    for name in ('vdm:0', 'tdm:0', 'class:3', 'class:9'):
        viewer.locator(f'[data-map="{name}"]').hover()
        assert shown(page) == name and viewer.locator('.status').text_content()
        seen.append(name)
    viewer.locator('input[type=range]').fill('25')
    assert viewer.locator('canvas').first.evaluate('canvas => getComputedStyle(canvas).opacity') == '0.25'
    viewer.locator('[data-map="none:0"]').click()
    assert viewer.locator('canvas').first.is_hidden()


def test_the_status_tells_a_words_log_probability(page, address):
    data = json.loads(page.locator('#data').text_content())
    word = page.locator('.viewer').first.locator('.word').nth(3)
    word.hover()
    told = page.locator('.status').first.text_content()
    expected = data['studies'][0]['log_probs'][3]
    read = float(re.search(r'log-probability ([−\d.]+)', told)[1].replace('−', '-'))
    assert read == pytest.approx(expected, abs=0.006)
    assert 'confidence-4' in word.get_attribute('class')  # an untrained model is sure of nothing


def test_finding_narrows_and_sorting_orders(page):
    ids = page.locator('.card:visible h3').all_text_contents()
    page.locator('#find').fill(ids[2].split()[0])
    assert page.locator('.card:visible').count() == 1 and page.locator('#count').text_content() == '1 of 6 studies'
    page.locator('#find').fill('no such words at all')
    assert page.locator('.card:visible').count() == 0
    page.locator('#find').fill('')
    page.locator('#sort').select_option('CIDEr:down')
    scores = [float(re.search(r'CIDEr ([\d.]+)', text)[1]) for text in page.locator('.card h3').all_text_contents()]
    assert len(scores) == 6 and scores == sorted(scores, reverse=True)


def test_filtering_by_observation(page):
    data = json.loads(page.locator('#data').text_content())
    place = data['observations'].index('No Finding')
    labelled = [study['id'] for study in data['studies'] if study['labels'][place] == 1]
    page.locator('#observation').select_option('No Finding')
    page.locator('#test').select_option('labelled')
    found = [text.split()[0] for text in page.locator('.card:visible h3').all_text_contents()]
    assert found == labelled and 0 < len(labelled) < 6


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [WIDE, NARROW])
def test_it_fits_its_window_and_passes_axe(open_page, address, complaints, width, scheme):
    page = open_page(address, width=width, scheme=scheme)
    for details in page.locator('details').all():
        details.evaluate('details => { details.open = true }')
    page.locator('#cards').evaluate('cards => cards.scrollIntoView()')
    page.locator('.word').first.click()
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    background = page.evaluate('getComputedStyle(document.body).backgroundColor')
    assert (sum(map(int, re.findall(r'\d+', background))) < 200) == (scheme == 'dark')
    assert complaints(page) == []


def test_it_opens_without_a_network(open_page, address):
    page = open_page(address, offline=True)
    assert page.locator('.card').count() == 6


def test_without_javascript_scores_and_curves_are_there(open_page, address):
    page = open_page(address, java_script_enabled=False)
    assert 'need JavaScript' in page.locator('noscript').inner_text()
    assert page.locator('svg').count() > 5 and page.locator('table').first.is_visible()
