"""What hiding a lesion does to the words of its finding."""

import dataclasses

import numpy as np
import pytest

from camanet_jax.experiment import open_split
from camanet_jax.generate.film_loading import film_transform
from camanet_jax.lab.alignment.hiding import elsewhere, measure_falls
from camanet_jax.lab.alignment.lesions import ANY, find_lesions
from camanet_jax.lab.alignment.maps import map_side
from camanet_jax.run.workdir import open_trained


@pytest.fixture(scope='module')
def run(trained):
    return open_trained(trained)


def test_falls_are_those_of_named_lesions(run):
    source = open_split(run.experiment.config, 'train')
    transform = film_transform(run.experiment.config.data)
    lesions = find_lesions('train', source.records, transform, map_side(run), None)
    falls = list(measure_falls(run, source, lesions))
    assert 0 < len(falls) < len(lesions) and all(lesion.observation != ANY for lesion, _, _ in falls)
    assert all(np.isfinite((own, control)).all() for _, own, control in falls) and any(own for _, own, _ in falls)
    unseen = [dataclasses.replace(lesion, share=np.zeros_like(lesion.share)) for lesion, _, _ in falls]
    assert {(own, control) for _, own, control in measure_falls(run, source, unseen)} == {(0.0, 0.0)}


def test_the_control_hides_as_much_in_the_same_film():
    hidden = np.zeros((2, 4, 4), bool)
    hidden[1, 3, :2] = True
    control = elsewhere(hidden)
    np.testing.assert_array_equal(np.argwhere(control), [[1, 1, 2], [1, 1, 3]])
