"""The tiny run on a folder of studies with one film each."""

import tiny
from ml_collections import ConfigDict


def get_config():
    """As tiny.py, but for the data."""
    config = tiny.get_config()
    config.batch_size = 2
    config.data.update(name='study_folder', views=1)
    config.data.options = ConfigDict()
    return config
