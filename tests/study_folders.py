"""A study folder made of noise, small enough to prepare in every test."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def make_study_folder(tmp_path):
    """Writes a folder of `counts` studies per split and returns its path."""
    return lambda counts=(10, 3, 5), views=2, name='studies': write_study_folder(tmp_path / name, counts, views)


def write_study_folder(folder, counts, views):
    """Writes `counts` studies per split with reports and labels; returns the folder."""
    (folder / 'images').mkdir(parents=True)
    rng = np.random.default_rng(0)
    annotation, labels = {}, {}
    for split, count in zip(('train', 'val', 'test'), counts, strict=True):
        annotation[split] = []
        for number in range(count):
            study_id = f'{split}{number}'
            paths = [f'{study_id}_{view}.png' for view in range(views)]
            for path in paths:
                Image.fromarray(rng.integers(0, 256, (40, 36), np.uint8)).save(folder / 'images' / path)
            report = f'Lungs are clear. Study {number}.'
            annotation[split].append({'id': study_id, 'report': report, 'image_path': paths})
            labels[study_id] = rng.integers(0, 2, 14).tolist()
    (folder / 'annotation.json').write_text(json.dumps(annotation))
    (folder / 'labels.json').write_text(json.dumps(labels))
    return folder
