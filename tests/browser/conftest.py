"""A real Chromium, driven by Playwright; tests that need it are skipped where either is missing."""

import shutil

import pytest
from windows import WIDE

PROGRAMS = ('chromium', 'chromium-browser', 'google-chrome')


@pytest.fixture(scope='session')
def chromium():
    """A headless browser."""
    playwright = pytest.importorskip('playwright.sync_api', reason="needs Playwright: pip install -e '.[browser]'")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f'needs one of {PROGRAMS} on the path')
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=['--no-sandbox'])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Opens an address in a window of its own; at the end of the test no error may have been logged on its console."""
    errors, windows = [], []

    def open_one(address: str, *, width: int = WIDE, scheme: str = 'light', **options):
        window = chromium.new_context(viewport={'width': width, 'height': 900}, color_scheme=scheme, **options)
        windows.append(window)
        page = window.new_page()
        page.set_default_timeout(10_000)
        page.on('pageerror', lambda error: errors.append(str(error)))
        page.on('console', lambda line: errors.append(line.text) if line.type in ('error', 'warning') else None)
        page.goto(address)
        return page

    yield open_one
    for window in windows:
        window.close()
    assert not errors


@pytest.fixture(scope='session')
def complaints():
    """Finds what axe-core, the automated accessibility check, complains about on a page."""
    axe = pytest.importorskip('axe_playwright_python.sync_playwright', reason="needs axe: pip install -e '.[browser]'")

    def check(page) -> list[str]:
        found = axe.Axe().run(page).response
        assert len(found['passes']) > 20  # it did look
        return [f'{rule["id"]}: {node["html"][:200]}' for rule in found['violations'] for node in rule['nodes']]

    return check
