"""Invented sources in the exact formats of Open-i and MIMIC-CXR."""

import logging

import pytest
from archives import write_mimic_cxr, write_open_i
from study_folders import make_study_folder  # noqa: F401, a fixture


@pytest.fixture(autouse=True)
def logged_lines_reach_pytest():
    """Undoes what a command run in an earlier test did to the package's logger."""
    logger = logging.getLogger('camanet_jax')
    logger.propagate = True
    logger.setLevel(logging.INFO)


@pytest.fixture
def open_i(tmp_path):
    """A folder with Open-i's two archives: five reports, of which three have FINDINGS and two films."""
    reports = {
        'CXR1': ('Lungs clear.', ['CXR1_1_IM-0001-3001', 'CXR1_1_IM-0001-4001']),
        'CXR2': ('', ['CXR2_IM-0652-1001', 'CXR2_IM-0652-2001']),
        'CXR3': ('Heart is big. ', ['CXR3_IM-1384-1001', 'CXR3_IM-1384-2001', 'CXR3_IM-1384-3001']),
        'CXR4': ('No film.', []),
        'CXR10': ('Two in a series.', ['CXR10_IM-0002-1001-0001', 'CXR10_IM-0002-1001-0002']),
    }
    write_open_i(tmp_path / 'open_i', reports)
    return tmp_path / 'open_i'


@pytest.fixture
def mimic_cxr(tmp_path):
    """A folder like MIMIC-CXR-JPG's."""
    write_mimic_cxr(tmp_path / 'mimic')
    return tmp_path / 'mimic'
