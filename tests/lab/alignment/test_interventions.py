"""VTAC's parts exchanged."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from camanet_jax import losses
from camanet_jax.experiment import Experiment, build_tokenizer, open_split
from camanet_jax.lab.ablation.systems import system_config
from camanet_jax.lab.alignment import interventions
from camanet_jax.models import CamanetOutput
from camanet_jax.models.outputs import Encoding

WORDS = ['<end>', 'heart', 'large', 'clear']
TIED = np.zeros((4, 14), bool)
TIED[2, 2] = True


@pytest.fixture
def output():
    rng = np.random.default_rng(0)
    encoding = Encoding(np.zeros((1, 4, 2)), None, None, None, vdm=np.array([[0, 0.5, 1, 0]]))
    attention = jnp.asarray(rng.uniform(size=(1, 4, 4)))
    chosen = dict(word_similarity=np.array([[0, 0.5, 0.25, -1]]), selection=np.array([[0.0, 1, 1, 1]]))
    crossed = jnp.asarray(rng.uniform(size=(1, 2, 4, 4)))
    return CamanetOutput(encoding, *[None] * 3, crossed, None, word_attention=attention, **chosen)


@pytest.fixture
def batch():
    share = np.zeros((1, 56, 56))
    share[:, :28, 28:42] = 1  # half of the upper right of four patches
    return {
        'tokens': np.array([[0, 1, 2, 3, 0]]),
        'token_mask': np.ones((1, 5)),
        'labels': np.eye(14)[[2]],
        'extras': {'lesions': share},
    }


def test_the_true_map_is_the_masks_share_of_each_patch(output, batch):
    np.testing.assert_allclose(interventions.true_map(output, batch), [[0, 1, 0, 0]])


def test_own_words_make_the_map_alone(output, batch, monkeypatch):
    monkeypatch.setattr(interventions, 'tied_words', lambda experiment: TIED)
    rows = np.asarray(output.word_attention[0])
    scaled = (rows[2] - rows[2].min()) / np.ptp(rows[2])  # the row that reads 'large', input 2
    for make, target in (('VdmOwnWords', [0, 0.5, 1, 0]), ('TrueMapOwnWords', [0, 1, 0, 0])):
        value = getattr(interventions, make)(None)(output, batch)
        np.testing.assert_allclose(value, [np.square(scaled - target).mean()], rtol=1e-5)


def test_rows_and_measure_are_exchanged_one_by_one(output, batch, monkeypatch):
    monkeypatch.setattr(interventions, 'tied_words', lambda experiment: TIED)
    reading, predicting = np.asarray(output.word_attention[0, 2]), np.asarray(output.predicting_attention[0, 1])
    scaled = (predicting - predicting.min()) / np.ptp(predicting)
    for make, expected in (
        ('TrueMapPredictedWords', np.square(scaled - [0, 1, 0, 0]).mean()),
        ('TrueMapOwnMass', -np.log(reading[1] / reading.sum())),
        ('TrueMapPredictedMass', -np.log(predicting[1] / predicting.sum())),
    ):
        np.testing.assert_allclose(getattr(interventions, make)(None)(output, batch), [expected], rtol=1e-4)


def test_parts_of_the_measure_are_put_back_one_by_one(output, batch, monkeypatch):
    tied = TIED.copy()
    tied[1, 2] = True
    monkeypatch.setattr(interventions, 'tied_words', lambda experiment: tied)
    rows, target = np.asarray(output.word_attention[0, 1:3]), np.array([0, 1, 0, 0])  # they read 'heart' and 'large'
    scaled = (rows - rows.min(-1, keepdims=True)) / np.ptp(rows, -1)[:, None]

    def share(attention):
        return attention / attention.sum()

    for make, expected in (
        ('TrueMapOwnMean', np.square(scaled.mean(0) - target).mean()),
        ('TrueMapOwnDivergence', -np.log(share(scaled.max(0))[1])),
        ('TrueMapOwnMaximumMass', -np.log(share(rows.max(0))[1])),
        ('TrueMapOwnScaledMass', -np.log(share(scaled.sum(0))[1])),
        ('TrueMapOwnSquares', np.square(share(rows.sum(0)) - target).sum()),
    ):
        np.testing.assert_allclose(getattr(interventions, make)(None)(output, batch), [expected], rtol=1e-4)


@pytest.mark.parametrize('make', ['Mean', 'Divergence', 'MaximumMass', 'ScaledMass', 'Squares'])
def test_a_study_without_own_words_gives_no_gradient(make, output, batch, monkeypatch):
    monkeypatch.setattr(interventions, 'tied_words', lambda experiment: np.zeros_like(TIED))
    loss = getattr(interventions, f'TrueMapOwn{make}')(None)
    gradient = jax.grad(lambda rows: loss(replace(output, word_attention=rows), batch).sum())(output.word_attention)
    np.testing.assert_array_equal(gradient, 0)


def test_the_mean_over_words_is_weighted_by_similarity(output, batch):
    rows = np.asarray(output.word_attention[0])
    scaled = (rows - rows.min(-1, keepdims=True)) / np.ptp(rows, -1)[:, None]
    mean = (0.5 * scaled[1] + 0.25 * scaled[2]) / 0.75
    expected = np.square(mean - [0, 0.5, 1, 0]).mean()
    np.testing.assert_allclose(interventions.vdm_mean_of_words(output, batch), [expected], rtol=1e-5)


def test_batches_carry_the_masks_to_the_loss_in_vtacs_place(make_config):
    config = system_config(make_config({'data.views': 1, 'data.extra_views': 'first'}), 'true_map_own_words', 0)
    assert config.loss.vtac_weight == 0 and config.loss.extra_weights == (make_config({}).loss.vtac_weight,)
    source = open_split(config, 'train')
    experiment = Experiment(config, build_tokenizer(config, source))
    model, batch = experiment.model(), next(iter(experiment.eval_batches(source)))
    assert batch['extras']['lesions'].max() == 1

    def terms(batch):
        inputs = batch['images'], batch['tokens'][:, :-1]
        output, _ = model.init_with_output(jax.random.key(0), *inputs, **batch['extras'])
        return losses.terms(output, batch, experiment.loss_table())

    assert (jax.jit(terms)(batch)['TrueMapOwnWords'] > 0).any()
