"""Functions and classes that a configuration names: found, refused in words, and without effect where unused."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from ml_collections import ConfigDict

from camanet_jax import extensions, losses
from camanet_jax.data.sources import open_sources
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.experiment import Experiment, make_network
from camanet_jax.models.densenet import DenseNet
from camanet_jax.models.vdm import layercam
from camanet_jax.optim import LearningRates


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A file of one's own in the current folder."""
    (tmp_path / 'mine.py').write_text(
        'import math\nLIMIT = 3\ndef double(x):\n    return 2 * x\ndef report_nll(output, batch):\n    return 0\n'
        'class Words:\n    def __init__(self, experiment):\n        self.number = len(experiment.tokenizer)\n'
        '    def __call__(self, output, batch):\n        return self.number\n'
    )
    (tmp_path / 'broken.py').write_text('def half(:\n')
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def make_experiment(make_config):
    """The tiny experiment with changes."""
    return lambda changes=None: Experiment(make_config(changes), Tokenizer(('.', '<unk>', 'clear'), 'iu_xray'))


def test_a_name_is_a_file_or_a_module_and_stays_the_same_object(mine, tmp_path):
    double = extensions.find('loss.extra', 'mine.py:double')
    assert double(4) == 8 and extensions.find('loss.extra', f'{tmp_path}/mine.py:double') is double
    assert extensions.find('model.visual_extractor', 'camanet_jax.models.densenet:DenseNet') is DenseNet


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('double', "loss.extra: expected 'file.py:name' or 'package.module:name', got 'double'"),
        ('mine.py:', "expected 'file.py:name'"),
        ('mine.py:triple', r"expected a function or class 'triple' in mine.py, which has Words, double, report_nll\."),
        ('mine.py:LIMIT', "expected a function or class 'LIMIT' in mine.py"),
        ('nothing.py:double', 'nothing.py cannot be loaded: .*No such file.*from the current folder, /'),
        ('no_package.module:double', "cannot be loaded: No module named 'no_package'"),
        ('broken.py:half', 'broken.py cannot be loaded: .*line 1'),
    ],
)
def test_a_wrong_name_is_an_error_that_says_where_it_was_given(mine, name, message):
    with pytest.raises(ValueError, match=message):
        extensions.find('loss.extra', name)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'loss.extra': ('mine.py:double',)}, r"Expected a weight for each of loss.extra=\('mine.py:double',\)"),
        (
            {'loss.extra': ('mine.py:double', 'other.py:double'), 'loss.extra_weights': (1.0, 2.0)},
            "'mine.py:double' and 'other.py:double' are both called 'double'",
        ),
        (
            {'loss.extra': ('mine.py:report_nll',), 'loss.extra_weights': (1.0,)},
            'report_nll is the name of a term already',
        ),
        ({'evaluation.metrics': ('mine.py:other',)}, "evaluation.metrics='mine.py:other': expected a function"),
        ({'model.network': 'mine.py:other'}, "model.network='mine.py:other': expected a function"),
        ({'optimiser.schedule': 'mine.py:other'}, "optimiser.schedule='mine.py:other': expected a function"),
        ({'optimiser.frozen': ('^head/',)}, r"optimiser.frozen: '\^head/' matches no parameter; there are backbone/"),
        ({'optimiser.frozen': ('[',)}, r"optimiser.frozen: '\[' is no regular expression: unterminated"),
        ({'model.image_std': (0.2, 0.0, 0.2)}, r'three above 0 as image_std, got .* and \(0.2, 0.0, 0.2\)'),
        ({'model.class_maps': 'mine.py:other'}, "model.class_maps='mine.py:other': expected a function"),
        ({'model.tdm_selection': 'straight-through'}, "tdm_selection to be one of .*'soft'.*, got 'straight-through'"),
        ({'model.vdm_norm': 'Class'}, r"vdm_norm to be one of \('class', 'map'\), got 'Class'"),
        ({'loss.tdm_count': 'foo'}, r"tdm_count to be one of \('words', 'official'\), got 'foo'"),
        ({'model.view_embeddings': 1}, 'Expected view_embeddings of at least 2 views, got 1'),
        ({'search.name': 'foo'}, "Expected a search of .* got 'foo'"),
        ({'data.on_damaged_image': 'foo'}, "data.on_damaged_image to be one of .* got 'foo'"),
        (
            {'data.train_augment': 'official', 'data.official_augment': 'mimc'},
            "data.train_augment to be one of .* got 'official_mimc'",
        ),
        ({'data.eval_transform': 'foo'}, "data.eval_transform to be one of .* got 'foo'"),
        ({'data.resize_size': 31}, 'expected 0 < image_size <= resize_size, got 32 and 31'),
        ({'model.contrastive': True}, 'got model.contrastive=True and loss.contrastive_weight=0.0'),
        ({'loss.contrastive_weight': 0.1}, 'got model.contrastive=False and loss.contrastive_weight=0.1'),
        (
            {'model.contrastive': True, 'loss.contrastive_weight': 0.1, 'accumulate': 2},
            'Expected accumulate=1 with model.contrastive=True, got 2',
        ),
        ({'model.visual_extractor': 'camanet_jax.models.resnet:ResNet'}, "do not fit ResNet: .*'growth'.*resnet101.py"),
    ],
)
def test_what_does_not_fit_is_found_before_a_run_begins(mine, make_experiment, changes, message):
    with pytest.raises(ValueError, match=message):
        make_experiment(changes).check()


def test_reports_of_any_length_have_a_position_code(make_experiment):
    lengths = {length: make_experiment({'data.max_seq_length': length}).model() for length in (16, 600)}
    assert {length: model.max_positions for length, model in lengths.items()} == {16: 512, 600: 601}
    options = {'model.network_options': ConfigDict({'max_positions': 700})}
    assert make_experiment(options).model().max_positions == 700


def test_a_network_gets_the_fields_that_it_has_and_its_own_options():
    class Small(nn.Module):
        width: int
        layers: int = 1

    network = make_network(Small, {'width': 4, 'heads': 2}, {'layers': 3})
    assert (network.width, network.layers) == (4, 3)
    for option in ('width', 'depth'):  # one is a field of the configuration
        with pytest.raises(ValueError, match=f"network_options: Small has no '{option}' of its own, but layers"):
            make_network(Small, {'width': 4}, {option: 3})


def test_a_schedule_of_ones_own_gives_the_learning_rates(mine, make_experiment):
    code = 'def inverse(config, update, steps_per_epoch):\n    return 1 / (1 + update), config.seed\n'
    Path('mine.py').write_text(code, encoding='utf-8')
    experiment = make_experiment({'optimiser.schedule': 'mine.py:inverse', 'seed': 7})
    assert experiment.learning_rates(3, 10) == LearningRates(0.25, 7.0)


def test_an_unknown_data_set_is_an_error_that_names_both_kinds(tmp_path):
    with pytest.raises(ValueError, match=r"one of \['study_folder', 'synthetic', 'file.py:name'\], got 'folder'"):
        open_sources(['train'], name='folder', data_dir=tmp_path, views=1)[0]


def test_reports_are_written_without_the_losses_and_metrics(mine, make_experiment):
    experiment = make_experiment(
        {'loss.extra': ('gone.py:f',), 'loss.extra_weights': (0.5,), 'evaluation.metrics': ('gone.py:g',)}
    )
    assert experiment.loss_weights()['f'] == 0.5
    experiment.model()
    with pytest.raises(ValueError, match='gone.py cannot be loaded'):
        experiment.check()


def test_an_extra_loss_joins_terms_counts_and_total():
    batch = {
        'valid': np.array([True, True, False]),
        'labels': np.zeros((3, 2)),
        'token_mask': np.ones((3, 4)),
        'tokens': np.zeros((3, 4), int),
    }
    extra = {'mine': losses.extra_loss(lambda output, batch: jnp.array([1.0, 2.0, jnp.nan]))}
    assert losses.denominators(batch, extra)['mine'] == 2 and 'mine' not in losses.denominators(batch)
    np.testing.assert_array_equal(losses.terms(object(), batch, extra)['mine'], [1, 2, 0])
    assert losses.total({'report_nll': 10.0, 'mine': 3.0}, {'report_nll': 1.0, 'mine': 0.5}) == 11.5
    with pytest.raises(ValueError, match=r'loss.extra, mine: expected one value for each of 3 studies, got shape \(\)'):
        losses.terms(object(), batch, {'mine': losses.extra_loss(lambda output, batch: jnp.array(1.0))})


def test_a_class_makes_its_loss_of_the_experiment(mine, make_experiment):
    table = make_experiment({'loss.extra': ('mine.py:Words',), 'loss.extra_weights': (1.0,)}).loss_table()
    assert table['Words'].per_study(None, None) == 3


def test_an_unknown_choice_of_the_epoch_is_an_error(make_experiment):
    with pytest.raises(ValueError, match=r"selection to be one of \('bleu', 'bleu_4', 'last'\), got 'first'"):
        make_experiment({'selection': 'first'}).check()


def test_layercam_is_the_activation_weighted_by_positive_gradients():
    rng = np.random.default_rng(0)
    tokens, kernel = rng.uniform(size=(2, 6, 5)), rng.normal(size=(5, 3))
    expected = np.maximum(np.einsum('bpc,cy->byp', tokens, np.maximum(kernel, 0)) / 6, 0)
    np.testing.assert_allclose(layercam(tokens, kernel), expected, rtol=1e-5)
