"""Two hundred studies of the largest kind: small enough, and quick."""

import pytest
from explained import WORDS, explanation

from camanet_jax.data.synthetic.studies import make_study
from camanet_jax.reporting.study_data import study_data
from camanet_jax.run_report import page as report_page

pytestmark = pytest.mark.slow

STUDIES = 200
# Milliseconds until what ACT changes is drawn.
TIME = '''async () => {
  const start = performance.now();
  ACT;
  await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - start;
}'''
HOVER = "document.querySelectorAll('.word')[40].dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))"
FIND = "controls.find.value = 'study-01'; controls.find.dispatchEvent(new Event('input'))"
SORT = "controls.sort.value = 'CIDEr:up'; controls.sort.dispatchEvent(new Event('change'))"


@pytest.fixture(scope='module')
def file(trained, tmp_path_factory):
    """A page of reports of 100 words with two films of 224 pixels."""
    words = (WORDS * 9)[:100]
    films = [make_study(0, 'test', number, 224).films for number in range(8)]
    explained = explanation(words)
    studies = [study_data(f'study-{number:03d}', films[number % 8], words, explained, reference='a report .',
                          labels=[0] * 14, scores={'CIDEr': number % 7, 'BLEU_4': 0.1}) for number in range(STUDIES)]
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
