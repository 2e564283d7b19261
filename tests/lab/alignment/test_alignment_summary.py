"""Means, intervals and baselines of many lesions."""

import numpy as np
import pytest

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.lab.alignment.lesions import Lesion
from camanet_jax.lab.alignment.summary import MEASURES, MapSet, compare, exchange, lesion_scores, summarise
from camanet_jax.lab.alignment.table import compare_rows, format_comparison

PATCHES = 16
EDEMA, FRACTURE = OBSERVATIONS.index('Edema'), OBSERVATIONS.index('Fracture')


def lesion(study: int, observation: int, patch: int) -> Lesion:
    """One that is one patch."""
    return Lesion('test', study, f's{study}', observation, np.eye(PATCHES)[patch].reshape(1, 4, 4))


@pytest.fixture
def lesions() -> list[Lesion]:
    """Forty, two in each of twenty studies: edema always in one place, fractures anywhere."""
    rng = np.random.default_rng(0)
    return [
        make
        for study in range(20)
        for make in (lesion(study, EDEMA, 5), lesion(study, FRACTURE, int(rng.integers(PATCHES))))
    ]


def perfect(lesions: list[Lesion]) -> MapSet:
    return MapSet(lesions, np.stack([found.share.reshape(-1) for found in lesions]))


def test_perfect_maps_score_one(lesions):
    entry = summarise(perfect(lesions))
    assert (entry['lesions'], entry['studies'], entry['flat_maps']) == (40, 20, 0)
    for name in MEASURES:
        assert (entry[name]['value'], entry[name]['low'], entry[name]['high']) == (1, 1, 1)
        assert entry[name]['chance'] == pytest.approx(1 / PATCHES)
        assert entry[name]['difference'] == pytest.approx(1 - 1 / PATCHES)


def test_uniform_maps_are_no_better_than_chance(lesions):
    entry = summarise(MapSet(lesions, np.ones((40, PATCHES))))
    assert entry['flat_maps'] == 40
    for name in MEASURES:
        assert entry[name]['value'] == pytest.approx(1 / PATCHES)
        assert entry[name]['difference'] == pytest.approx(0, abs=1e-12)
        assert entry[name]['difference_high'] == pytest.approx(0, abs=1e-12)
        assert entry['other_studies'][name]['difference'] == pytest.approx(0, abs=1e-12)


def test_maps_of_the_usual_place_gain_nothing_over_other_studies(lesions):
    edema = [found for found in lesions if found.observation == EDEMA]
    entry = summarise(perfect(edema))
    assert entry['pointing']['difference'] > 0.9 and entry['other_studies']['pointing']['difference'] == 0
    fractures = [found for found in lesions if found.observation == FRACTURE]
    assert summarise(perfect(fractures))['other_studies']['pointing']['difference'] > 0.5


def test_means_by_observation(lesions):
    maps = np.tile(np.eye(PATCHES)[5], (40, 1))
    entry = summarise(MapSet(lesions, maps))
    found = entry['by_observation']
    assert found.keys() == {'Edema', 'Fracture'} and found['Edema']['lesions'] == 20
    assert found['Edema']['pointing'] == 1 and found['Fracture']['pointing'] < 0.5
    assert entry['pointing']['value'] == pytest.approx((1 + found['Fracture']['pointing']) / 2)


def test_exchange_gives_every_lesion_another_of_its_kind():
    kinds = np.array([3, 1, 3, 2, 1, 3])
    giver = exchange(kinds)
    np.testing.assert_array_equal(giver, [2, 4, 5, 3, 1, 0])  # the only one of kind 2 keeps its own
    np.testing.assert_array_equal(kinds[giver], kinds)


def test_one_lesion_has_nothing_to_be_exchanged_with(lesions):
    entry = summarise(perfect(lesions[:1]))
    assert entry['other_studies'] == {'lesions': 0} and entry['pointing']['low'] == entry['pointing']['high'] == 1


def test_lesions_of_one_study_are_drawn_together():
    """Forty equal lesions of two studies say as little as two lesions."""
    values, baseline = np.repeat([0.0, 1.0], 20), np.full(40, 0.25)
    two = compare(values, baseline, ['a'] * 20 + ['b'] * 20)
    many = compare(values, baseline, [str(i) for i in range(40)])
    assert (two['low'], two['high']) == (0, 1) and two['value'] == many['value'] == 0.5
    assert 0.3 < many['low'] < 0.5 < many['high'] < 0.7
    assert many['difference'] == 0.25 and many['baseline'] == 0.25


def rows(lesions: list[Lesion], maps: dict[str, np.ndarray]) -> list[dict]:
    """As `measure` returns them."""
    scores = {name: lesion_scores(MapSet(lesions, values)) for name, values in maps.items()}
    return [
        {
            'split': 'test',
            'id': found.study_id,
            'observation': found.name,
            'maps': {name: values[i] for name, values in scores.items()},
        }
        for i, found in enumerate(lesions)
    ]


def test_systems_are_compared_on_the_lesions_and_maps_that_both_have(lesions):
    good, flat = perfect(lesions).maps, np.ones((40, PATCHES))
    ours = rows(lesions, {'vdm': good, 'words_reference': good})
    found = compare_rows(ours, rows(lesions[10:], {'words_reference': flat[10:]}))
    assert found.keys() == {'words_reference'} and found['words_reference']['lesions'] == 30
    assert found['words_reference']['energy']['difference'] == pytest.approx(1 - 1 / PATCHES)
    assert '+0.938 [+0.938, +0.938]' in format_comparison(found)


def test_a_system_against_itself_differs_by_nothing(lesions):
    ours = rows(lesions, {'words_reference': np.random.default_rng(0).uniform(size=(40, PATCHES))})
    for name in MEASURES:
        entry = compare_rows(ours, ours)['words_reference'][name]
        assert (entry['difference'], entry['difference_low'], entry['difference_high']) == (0, 0, 0)
