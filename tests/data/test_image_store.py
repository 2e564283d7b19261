import io
import json

import numpy as np
import pytest
from films import film, smooth_film
from ml_collections import ConfigDict
from PIL import Image

from camanet_jax import experiment
from camanet_jax.data.image_store import stored_bytes, why_originals
from camanet_jax.data.sources import open_sources
from camanet_jax.data.transforms import eval_image


def test_small_films_are_what_training_would_make_of_the_originals():
    encoded = smooth_film(700, 500)
    small = Image.open(io.BytesIO(stored_bytes(encoded, 'x', '256')))
    assert (small.size, small.mode, small.format) == ((256, 358), 'L', 'JPEG')
    images = [eval_image(image, 'paper', 224, 256).astype(int) for image in (Image.open(io.BytesIO(encoded)), small)]
    assert np.abs(images[0] - images[1]).max() <= 4  # JPEG alone


@pytest.mark.parametrize('encoded', [film((256, 300)), film((40, 36))])
def test_small_films_stay(encoded):
    assert stored_bytes(encoded, 'x', '256') is encoded


def test_a_blank_film_is_kept_and_told(caplog):
    file = io.BytesIO()
    Image.new('L', (40, 36), 7).save(file, 'PNG')
    assert stored_bytes(file.getvalue(), 'x', 'original') == file.getvalue()
    assert 'image x is blank: all its pixels are 7 of 255' in caplog.text


def test_runs_that_want_originals_are_warned(make_study_folder, caplog):
    folder = make_study_folder(counts=(2, 1, 1))
    (folder / 'images/train0_0.png').write_bytes(smooth_film(500, 300))
    (folder / 'dataset.json').write_text(json.dumps({'store': '256'}))
    data = dict(name='study_folder', section='', views=2, extra_views='error', options={})
    data |= dict(eval_transform='official', resize_size=256, fewer_views='error', extras=())
    config = ConfigDict(dict(data_dir=str(folder), cache_dir='', data=data))
    source = experiment.open_split(config, 'train')
    assert 'wants originals' in caplog.text and source.store == '256'
    assert Image.open(io.BytesIO(source.records[0]['images'][0])).size == (256, 426)
    caplog.clear()
    config.data.eval_transform = 'paper'
    assert experiment.open_split(config, 'train').prepared_dir == source.prepared_dir
    assert not caplog.text


def test_what_wants_originals():
    assert why_originals('original', 'official', 512) is None
    assert why_originals('256', 'paper', 256) is None
    assert 'resize_size is 512' in why_originals('256', 'paper', 512)


def test_an_unknown_store_is_refused(make_study_folder):
    folder = make_study_folder(counts=(1, 1, 1))
    (folder / 'dataset.json').write_text('{"store": "512"}')
    with pytest.raises(ValueError, match=r"dataset.json: expected store as one of .*got '512'"):
        open_sources(['train'], name='study_folder', data_dir=folder, views=2)[0]
