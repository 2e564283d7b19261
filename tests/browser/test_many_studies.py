"""Two hundred studies of the largest kind: small enough, and quick. Studies of every system, as far as they go."""

import pytest
from explained import WORDS, explanation

from camanet_jax.reporting.run_report import page as report_page
from camanet_jax.reporting.web_page import study_data
from camanet_jax.synthetic.studies import make_study

pytestmark = pytest.mark.slow

STUDIES = 200
# Milliseconds until what ACT changes is drawn.
TIME = """async () => {
  const start = performance.now();
  ACT;
  await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - start;
}"""
HOVER = "document.querySelectorAll('.word')[40].dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))"
FIND = "controls.find.value = 'study-01'; controls.find.dispatchEvent(new Event('input'))"
SORT = "controls.sort.value = 'CIDEr:up'; controls.sort.dispatchEvent(new Event('change'))"


@pytest.fixture(scope='module')
def file(trained, tmp_path_factory):
    """A page of reports of 100 words with two films of 224 pixels."""
    words = (WORDS * 9)[:100]
    films = [make_study(0, 'test', number, 224).films for number in range(8)]
    explained = explanation(words)
    studies = [
        study_data(
            f'study-{number:03d}',
            films[number % 8],
            words,
            explained,
            reference='a report .',
            labels=[0] * 14,
            scores={'CIDEr': number % 7, 'BLEU_4': 0.1},
        )
        for number in range(STUDIES)
    ]
    path = tmp_path_factory.mktemp('pages') / 'report.html'
    path.write_text(report_page(trained, studies, STUDIES))
    return path


def test_it_is_small_and_makes_viewers_when_they_come_near(open_page, file):
    assert file.stat().st_size < 30e6
    page = open_page(file.as_uri())
    assert page.locator('.card').count() == STUDIES and page.locator('.viewer').count() < 10
    page.locator('.card').last.scroll_into_view_if_needed()
    page.locator('.card').last.locator('.word').first.wait_for()
    assert page.locator('.viewer').count() < 60


def test_it_answers_at_once(open_page, file):
    page = open_page(file.as_uri())
    page.locator('#cards').evaluate('cards => cards.scrollIntoView()')
    page.locator('.word').first.wait_for()
    times = {act: min(page.evaluate(TIME.replace('ACT', act)) for _ in range(3)) for act in (HOVER, FIND, SORT)}
    assert max(times.values()) < 200, times  # some ten milliseconds on an idle machine
    assert page.locator('#count').text_content() == '10 of 200 studies'


def test_studies_of_every_system_are_shown(open_page, trained, tmp_path):
    film = make_study(0, 'test', 0, 64).films
    kinds = [('base', 1, WORDS), ('vdmae', 2, WORDS), ('camanet', 1, []), ('base', 2, [])]
    studies = [
        study_data(f'{system}-{views}', film[:views], words, explanation(words, views, system=system), scores={})
        for system, views, words in kinds
    ]
    (tmp_path / 'report.html').write_text(report_page(trained, studies, len(studies)))
    page = open_page((tmp_path / 'report.html').as_uri())
    for number, (system, views, words) in enumerate(kinds):
        card = page.locator('.card').nth(number)
        card.scroll_into_view_if_needed()
        card.locator('.viewer').wait_for()
        assert card.locator('canvas').count() == views and card.locator('.word').count() == len(words)
        assert card.locator('.layers button').count() == {'base': 1, 'vdmae': 2, 'camanet': 3}[system]
        assert card.locator('.observation').count() == (0 if system == 'base' else 14)
