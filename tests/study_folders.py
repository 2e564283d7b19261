"""A study folder made of noise, small enough to prepare in every test."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def make_study_folder(tmp_path):
    """Writes a folder of `counts` studies per split and returns its path."""

    def make(counts=(10, 3, 5), views=2, name='studies'):
        folder = tmp_path / name
        (folder / 'images').mkdir(parents=True)
        rng = np.random.default_rng(0)
        annotation, labels = {}, {}
        for split, count in zip(('train', 'val', 'test'), counts, strict=True):
            annotation[split] = []
            for number in range(count):
                study_id = f'{split}{number}'
                paths = [f'{study_id}_{view}.png' for view in range(views)]
                for path in paths:
                    pixels = rng.integers(0, 256, (40, 36), np.uint8)
                    Image.fromarray(pixels).save(folder / 'images' / path)
                report = f'Lungs are clear. Study {number}.'
                annotation[split].append({'id': study_id, 'report': report, 'image_path': paths})
                labels[study_id] = rng.integers(0, 2, 14).tolist()
        (folder / 'annotation.json').write_text(json.dumps(annotation))
        (folder / 'labels.json').write_text(json.dumps(labels))
        return folder

    return make
