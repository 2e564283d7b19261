"""Folders of reference values: those the repository carries, and the full ones where they are present."""

import shutil
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[2] / 'golden'


@pytest.fixture(scope='session')
def golden() -> Path:
    return GOLDEN


@pytest.fixture
def copied(tmp_path, golden):
    """A function that copies files of the golden folder and returns the copies' folder."""

    def copy(*names):
        for name in names:
            shutil.copy(golden / name, tmp_path / name)
        return tmp_path

    return copy
