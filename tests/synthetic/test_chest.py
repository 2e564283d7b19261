import io
import json

import numpy as np
import pytest
from PIL import Image

from camanet_jax.data.sources import Records
from camanet_jax.synthetic.chest import SyntheticChest
from camanet_jax.synthetic.studies import make_study

SIZES = {'image_size': 32, 'train_studies': 20, 'val_studies': 3, 'test_studies': 0}


def _prepare(data_dir, **options):
    builder = SyntheticChest(data_dir=data_dir, **(SIZES | options))
    builder.download_and_prepare()
    return builder


def _read(builder, split):
    records = Records(str(builder.data_dir), split, 2)
    return [records[index] for index in range(len(records))]


@pytest.fixture(scope='module')
def builder(tmp_path_factory):
    return _prepare(tmp_path_factory.mktemp('synthetic'))


def test_splits_have_the_asked_sizes_and_an_empty_one_is_left_out(builder):
    sizes = {name: split.num_examples for name, split in builder.info.splits.items()}
    assert sizes == {'train': 20, 'val': 3}


def test_record_holds_the_study_with_its_own_index(builder):
    records = _read(builder, 'train')
    for index in (0, 13):
        record = records[index]
        study = make_study(0, 'train', index, 32)
        films = [np.asarray(Image.open(io.BytesIO(image))) for image in record['images']]
        np.testing.assert_array_equal(films, study.films)
        assert record['report'] == study.report
        assert tuple(record['labels']) == study.labels
        kinds = [fact['kind'] for fact in json.loads(record['findings'])]
        assert kinds == [finding.kind for finding in study.findings]


def test_masks_are_files_of_the_films_size(builder):
    masks = [mask for record in _read(builder, 'train') for mask in record['masks']['mask']]
    assert masks
    assert {Image.open(io.BytesIO(mask)).size for mask in masks} == {(32, 32)}


def test_other_arguments_go_to_another_place(builder, tmp_path):
    places = {SyntheticChest(data_dir=tmp_path, seed=seed, **SIZES).data_path for seed in (0, 1)}
    places.add(SyntheticChest(data_dir=tmp_path, **(SIZES | {'val_studies': 4})).data_path)
    assert len(places) == 3


def test_several_processes_make_the_same_records(builder, tmp_path):
    other = _prepare(tmp_path, processes=2)
    images = [[record['images'] for record in _read(each, 'val')] for each in (builder, other)]
    assert images[0] == images[1]


def test_stopped_preparation_leaves_nothing_that_counts_as_prepared(tmp_path, monkeypatch):
    def stop(self, split):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SyntheticChest, '_make_records', stop)
        with pytest.raises(KeyboardInterrupt):
            _prepare(tmp_path)
    assert not SyntheticChest(data_dir=tmp_path, **SIZES).data_path.exists()
    assert _prepare(tmp_path).info.splits['val'].num_examples == 3


@pytest.mark.parametrize('option', [{'seed': -1}, {'image_size': 8}, {'train_studies': -5}])
def test_number_out_of_range_is_refused(tmp_path, option):
    (name,) = option
    with pytest.raises(ValueError, match=f'{name} of at least'):
        SyntheticChest(data_dir=tmp_path, **option)
