"""What the demo answers with, without the network."""

import base64
import io
import json

import numpy as np
import pytest
from front_door import best_step
from PIL import Image

from camanet_jax.app import demo as demo_module
from camanet_jax.app.demo import EXAMPLES, Demo


@pytest.fixture(scope='module')
def demo(trained):
    return Demo(trained)


def upload(name='frontal.png', pixels=None, kind='PNG') -> dict[str, str]:
    """A file as the page sends it."""
    pixels = np.eye(50, 70, dtype=np.uint8) * 99 if pixels is None else pixels
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return {'name': name, 'data': base64.b64encode(file.getvalue()).decode()}


def test_films_become_a_study_for_the_viewer(demo):
    study = demo.upload([upload(), upload('lateral.jpg', np.eye(40, dtype=np.uint8) * 255, 'JPEG')])
    assert study['id'] == 'frontal.png, lateral.jpg' and len(study['films']) == 2
    assert study['maps'].keys() == {'word', 'vdm', 'tdm', 'class'} and len(study['log_probs']) == len(study['words'])
    assert json.loads(json.dumps(study))['alternatives'][0][1] < 0


def test_one_film_stands_for_both_views(demo):
    found = demo.upload([upload()])
    assert found['films'][0] == found['films'][1]
    assert found['words'] == demo.upload([upload(), upload()])['words']


def test_examples_come_with_the_report_they_were_drawn_for(demo):
    references = {demo.example(number)['reference'] for number in range(EXAMPLES)}
    assert len(references) > EXAMPLES // 2
    with pytest.raises(ValueError, match='Expected an example from 0 to 5, got 6'):
        demo.example(6)


def test_wrong_files_are_named(demo, monkeypatch):
    with pytest.raises(ValueError, match='notes.txt cannot be decoded: it is in none of the formats DICOM, PNG'):
        demo.upload([{'name': '/home/me/notes.txt', 'data': base64.b64encode(b'no film').decode()}])
    with pytest.raises(ValueError, match='frontal.png is blank'):
        demo.upload([upload(pixels=np.full((9, 9), 7, np.uint8))])
    with pytest.raises(ValueError, match='cut.png did not arrive whole'):
        demo.upload([{'name': 'cut.png', 'data': 'abc'}])
    with pytest.raises(ValueError, match='reads 2 film.*got 3'):
        demo.upload([upload()] * 3)
    with pytest.raises(ValueError, match='got 0'):
        demo.upload([])
    monkeypatch.setattr(demo_module, 'MAX_MEGABYTES', 0.0001)
    with pytest.raises(ValueError, match='frontal.png is larger than 0.0001 MB'):
        demo.upload([upload(pixels=np.random.default_rng(0).integers(0, 256, (50, 50)).astype(np.uint8))])


def test_the_page_says_what_it_is(demo, trained):
    page = demo.page()
    assert 'Not for clinical use' in page
    assert f'variant paper, step {best_step(trained)}' in page and page.count('"name":"Example') == 6
