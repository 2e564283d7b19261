import io
import json

import numpy as np
import pytest
from PIL import Image

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.synthetic.findings import OBSERVED
from camanet_jax.synthetic.studies import VIEWS, make_record, make_study

SIZE = 48


@pytest.fixture(scope='module')
def studies():
    return [make_study(0, 'train', index, SIZE) for index in range(40)]


def test_study_is_a_function_of_seed_split_and_index(studies):
    again = make_study(0, 'train', 7, SIZE)
    assert again.report == studies[7].report and again.findings == studies[7].findings
    np.testing.assert_array_equal(again.films, studies[7].films)
    np.testing.assert_array_equal(again.masks, studies[7].masks)


@pytest.mark.parametrize('key', [(1, 'train', 7), (0, 'val', 7), (0, 'train', 8)])
def test_another_key_gives_another_study(studies, key):
    other = make_study(*key, SIZE)
    assert not np.array_equal(other.films, studies[7].films)


def test_film_size_changes_neither_findings_nor_wording(studies):
    larger = [make_study(0, 'train', index, 64) for index in range(5)]
    assert [one.report for one in larger] == [one.report for one in studies[:5]]
    assert larger[0].films.shape == (len(VIEWS), 64, 64)


def test_observations_and_only_these_have_masks(studies):
    for study in studies:
        for finding, masks in zip(study.findings, study.masks, strict=True):
            assert masks.any() == bool(OBSERVED[finding.kind])


def test_record_tells_the_same_truth_as_the_study(studies):
    index = next(i for i, study in enumerate(studies) if study.masks.any())
    record, study = make_record(0, 'train', index, SIZE), studies[index]
    assert (record['id'], record['report']) == (study.id, study.report)
    films = [np.asarray(Image.open(io.BytesIO(image))) for image in record['images']]
    np.testing.assert_array_equal(films, study.films)
    observed = {OBSERVATIONS[mask['observation']] for mask in record['masks']}
    named = {name for name, label in zip(OBSERVATIONS, study.labels, strict=True) if label}
    assert observed == named - {'No Finding'}


def test_boxes_enclose_the_masks(studies):
    index = next(i for i, study in enumerate(studies) if study.masks.any())
    record = make_record(0, 'train', index, SIZE)
    facts = [fact for fact in json.loads(record['findings']) if fact['observations']]
    left, top, right, bottom = facts[0]['boxes']['frontal']
    mask = np.asarray(Image.open(io.BytesIO(record['masks'][0]['mask']))) > 0
    assert mask[top:bottom, left:right].sum() == mask.sum() > 0
    assert mask[top].any() and mask[bottom - 1].any()
    assert mask[:, left].any() and mask[:, right - 1].any()
