"""Fixtures for the whole test suite."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope='session')
def shared_dir() -> Path:
    """The folder with the real data and the reference values, which are not in the repository."""
    path = os.environ.get('CAMANET_SHARED')
    if not path or not Path(path).is_dir():
        pytest.skip('set CAMANET_SHARED to the folder with data/ and reference/ to run this test')
    return Path(path)
