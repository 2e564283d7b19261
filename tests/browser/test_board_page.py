"""The leader board's page driven as a reader does: point at a study, read every system's report, sort."""

import json

import pytest
from front_door import succeed
from windows import NARROW, WIDE

pytestmark = pytest.mark.slow

NORMAL = 'The heart is normal in size. The lungs are clear.'
REPORTS = {
    'ours': ['The heart is <b>large</b> & there is an effusion.', NORMAL, ''],
    'theirs': [NORMAL, 'There is a small left pneumothorax.', 'The lungs are clear.'],
    'third': [NORMAL, NORMAL, NORMAL],
}
REFERENCES = ['The heart is large. There is an effusion.', 'Small left pneumothorax.', NORMAL]


@pytest.fixture(scope='module')
def address(tmp_path_factory) -> str:
    """The page that `scripts/score.py --board` writes."""
    folder = tmp_path_factory.mktemp('board')

    def entries(split, texts):
        return [{'id': f'{split}{i}', 'report': text, 'image_path': ['x.png']} for i, text in enumerate(texts)]

    splits = {'train': [NORMAL, NORMAL, *REFERENCES], 'val': [NORMAL], 'test': REFERENCES}
    (folder / 'annotation.json').write_text(json.dumps({name: entries(name, each) for name, each in splits.items()}))
    for name, texts in REPORTS.items():
        lines = (json.dumps({'id': f'test{i}', 'report': text}) for i, text in enumerate(texts))
        (folder / f'{name}.jsonl').write_text('\n'.join(lines))
    first, *others = (str(folder / f'{name}.jsonl') for name in REPORTS)
    options = ['--threshold=1', '--max_seq_length=60', '--permutations=50', '--resamples=50', '--protocol=full']
    command = ['--predictions', first, '--compare', *others, '--data', str(folder), *options]
    succeed(*command, '--board', str(folder / 'board.html'), program=('scripts/score.py',))
    return (folder / 'board.html').as_uri()


def texts(page) -> dict[str, str]:
    """What is shown, by heading."""
    cards = page.locator('#texts article')
    return {card.locator('h3').inner_text(): card.locator('p').inner_text() for card in cards.all()}


def test_pointing_at_a_study_shows_all_systems_reports(open_page, address):
    page = open_page(address, offline=True)
    studies = page.locator('#studies option')
    assert studies.all_inner_texts() == ['test0', 'test1', 'test2']
    seen = []
    for study in (studies.nth(1), studies.nth(0), studies.nth(2)):
        study.hover()
        seen.append(texts(page))
    assert list(seen[0]) == ['Reference', *REPORTS, 'constant report']
    assert seen[0]['theirs'] == 'there is a small left pneumothorax .'
    assert seen[0]['Reference'] == 'small left pneumothorax .'
    assert seen[1]['ours'].startswith('the heart is b'), 'tags are text'
    assert seen[2]['ours'] == '(nothing)'
    assert 'BLEU_1 0.000' in page.locator('#texts small').nth(1).inner_text()


def test_the_keyboard_and_sorting(open_page, address):
    page = open_page(address)
    page.locator('#studies').focus()
    page.keyboard.press('ArrowDown')
    assert texts(page)['Reference'] == 'small left pneumothorax .'
    page.locator('#score').select_option('BLEU_1')
    page.locator('#system').select_option('theirs')
    listed = [line.split(': ') for line in page.locator('#studies option').all_inner_texts()]
    values = [float(value) for _, value in listed]
    assert values == sorted(values) and len(set(values)) == 3
    assert page.locator('#texts small').first.inner_text() == listed[0][0], 'the worst is shown first'


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [WIDE, NARROW])
def test_it_fits_its_window_and_passes_axe(open_page, address, complaints, width, scheme):
    page = open_page(address, width=width, scheme=scheme)
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    assert complaints(page) == []


def test_without_javascript_the_tables_are_there(open_page, address):
    page = open_page(address, java_script_enabled=False)
    assert 'need JavaScript' in page.locator('noscript').inner_text()
    assert page.locator('table').count() == 2 and 'constant report' in page.locator('table').first.inner_text()
