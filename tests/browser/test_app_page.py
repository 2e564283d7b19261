"""The demo in a browser: a film in, a report out that can be questioned; a wrong file gets a message."""

import re
import subprocess
import sys

import pytest
from front_door import ROOT
from windows import NARROW, WIDE

from camanet_jax.synthetic.studies import make_record

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def address(trained):
    """`python -m camanet_jax.app`, as a user starts it."""
    command = [sys.executable, '-m', 'camanet_jax.app', f'--workdir={trained}', '--port=0']
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
        lines = []
        while not (lines and 'Ready: ' in lines[-1]):
            lines.append(program.stdout.readline())
            assert lines[-1], ''.join(lines)  # it ended
        yield re.search(r'http://127\.0\.0\.1:\d+', lines[-1])[0]
        program.terminate()


@pytest.fixture(scope='module')
def films(tmp_path_factory) -> list[str]:
    """A frontal and a lateral film, and a file that is no film."""
    folder = tmp_path_factory.mktemp('films')
    for name, content in zip(('frontal.png', 'lateral.png'), make_record(1, 'test', 0, 64)['images'], strict=True):
        (folder / name).write_bytes(content)
    (folder / 'notes.txt').write_text('no film')
    return [str(folder / name) for name in ('frontal.png', 'lateral.png', 'notes.txt')]


def test_chosen_films_become_a_report_that_can_be_questioned(open_page, address, films):
    page = open_page(address)
    assert 'Not for clinical use' in page.locator('header').inner_text()
    assert page.locator('#write').is_disabled()
    page.locator('#files').set_input_files(films[:2])
    page.locator('#write').click()
    page.locator('.word').first.wait_for()
    assert page.locator('#result-heading').text_content() == 'frontal.png, lateral.png'
    page.locator('.word').nth(2).hover()
    assert page.locator('.viewer').get_attribute('data-shown') == 'word:2'


def test_a_dropped_film_is_taken(open_page, address):
    page = open_page(address)
    page.evaluate("""() => {
      const moved = new DataTransfer();
      moved.items.add(new File(['x'], 'dropped.png'));
      document.dispatchEvent(new DragEvent('drop', {dataTransfer: moved}));
    }""")
    assert 'dropped.png' in page.locator('#chosen').inner_text()
    assert page.locator('#write').inner_text() == 'Write the report from this film alone'


def test_a_wrong_file_gets_a_message_and_can_be_removed(open_page, address, films):
    page = open_page(address)
    page.locator('#files').set_input_files([films[0], films[2]])
    page.locator('#write').click()
    page.locator('#message:not(:empty)').wait_for()
    message = page.locator('#message').inner_text()
    assert 'notes.txt cannot be decoded' in message and 'Traceback' not in message
    page.get_by_role('button', name='Remove notes.txt').click()
    page.locator('#write').click()
    page.locator('.word').first.wait_for()
    assert page.locator('#message').inner_text() == ''


def test_limits_are_told_before_anything_is_sent(open_page, address, films):
    page = open_page(address)
    page.locator('#files').set_input_files(films)
    assert page.locator('#message').inner_text() == 'This model reads 2 film(s) of a study; 3 were given.'
    page.evaluate('SETTINGS.megabytes = 0.0001')
    page.locator('#files').set_input_files(films[:1])
    assert page.locator('#message').inner_text() == 'frontal.png is larger than 0.0001 MB.'
    assert page.locator('#write').is_disabled()


@pytest.mark.parametrize(('width', 'scheme'), [(WIDE, 'light'), (NARROW, 'dark'), (NARROW, 'light'), (WIDE, 'dark')])
def test_examples_and_axe(open_page, address, complaints, width, scheme):
    page = open_page(address, width=width, scheme=scheme)
    page.get_by_role('button', name='Example 3').click()
    page.locator('.word').first.wait_for()
    assert page.locator('.reference').is_visible()
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    assert complaints(page) == []
