"""Starting from a trained backbone and from a trained run."""

import re

import jax
import numpy as np
import pytest

from camanet_jax import pretrained, sharding, train
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.experiment import Experiment
from camanet_jax.pretrained import read_initial_weights, with_initial_weights
from camanet_jax.run import workdir
from camanet_jax.torch_io import weight_names
from camanet_jax.torch_io.state_dicts import write_state_dict
from camanet_jax.train_step import init_state

WORDS = ('.', '<unk>', 'clear', 'effusion')


@pytest.fixture
def make_experiment(make_config):
    """Makes the tiny experiment with changes and a vocabulary."""
    return lambda changes=None, words=WORDS: Experiment(make_config(changes), Tokenizer(words, 'iu_xray'))


def fresh_state(experiment, seed=0):
    """A state of random numbers, without compiling the model."""
    shapes = jax.eval_shape(
        lambda: init_state(experiment.model(), experiment.optimiser(), jax.random.key(0), experiment.example_batch())
    )
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: rng.normal(size=x.shape).astype(x.dtype), shapes)


def initialised(experiment, weights, seed=0):
    """Our variables after initialisation, by collection and path."""
    state = with_initial_weights(fresh_state(experiment, seed), weights, sharding.make_mesh())
    return {key: np.asarray(value) for key, value in weight_names.flatten(state.variables).items()}


@pytest.fixture
def backbone(make_experiment):
    """A backbone's arrays under torchvision's names, its classifier with them."""
    names = weight_names.state_dict(fresh_state(make_experiment(), seed=9).variables)
    found = {
        name.replace('visual_extractor.model.', 'features.'): value + 1
        for name, value in names.items()
        if name.startswith('visual_extractor.model.')
    }
    return found | {'features.norm0.num_batches_tracked': np.array(3), 'classifier.weight': np.ones((5, 2), np.float32)}


def as_old_names(name):
    return re.sub(r'(denselayer\d+\.(?:norm|conv))([12])\.', r'\1.\2.', name)


RENAMINGS = {
    'torchvision': lambda name: name,
    'old torchvision': as_old_names,
    'CheXNet': lambda name: 'module.densenet121.' + as_old_names(name).replace('classifier.', 'classifier.0.'),
}


@pytest.mark.parametrize('kind', RENAMINGS)
def test_the_backbone_comes_from_a_densenet_file_and_the_rest_does_not(tmp_path, make_experiment, backbone, kind):
    write_state_dict(tmp_path / 'net.pth', {RENAMINGS[kind](name): value for name, value in backbone.items()})
    experiment = make_experiment({'backbone_weights': str(tmp_path / 'net.pth')})
    found, fresh = initialised(experiment, read_initial_weights(experiment)), initialised(experiment, None)
    for (collection, path), value in found.items():
        if path.startswith('backbone/'):
            name = weight_names.CAMANET.name(path).replace('visual_extractor.model.', 'features.')
            assert np.array_equal(weight_names.to_torch(path, value), backbone[name]), name
        else:
            assert np.array_equal(value, fresh[collection, path]), path


def test_an_unfit_densenet_file_is_one_error_that_lists_both_sides(tmp_path, make_experiment, backbone):
    backbone['features.more'] = backbone.pop('features.conv0.weight')
    backbone['features.norm0.bias'] = backbone['features.norm0.bias'][:-1]
    write_state_dict(tmp_path / 'net.pth', backbone)
    with pytest.raises(ValueError) as caught:
        read_initial_weights(make_experiment({'backbone_weights': str(tmp_path / 'net.pth')}))
    message = re.sub(r'\s+', ' ', str(caught.value))
    for part in (
        'net.pth',
        'lacks: 1 features.conv0.weight',
        'no place for: 1 features.more',
        'other shapes: 1 features.norm0.bias: expected (8,), got (7,)',
    ):
        assert part in message


def test_words_are_matched_and_new_ones_are_drawn(make_experiment, monkeypatch):
    old, new = make_experiment(), make_experiment({'init_from': 'old'}, ('.', '<unk>', 'effusion', 'heart', 'lungs'))
    source = workdir.TrainedRun(old, fresh_state(old, seed=5).variables, step=3)
    monkeypatch.setattr(pretrained, 'open_trained', lambda folder: source)
    monkeypatch.setattr(pretrained, 'has_checkpoint', lambda folder: True)
    found, fresh = initialised(new, read_initial_weights(new)), initialised(new, None)
    taken = weight_names.flatten(source.variables)
    rows = [0, 1, 2, 4, None, None]  # where ids 0, '.', '<unk>', 'effusion', 'heart', 'lungs' were
    for (collection, path), value in found.items():
        before, axis = np.asarray(taken[collection, path]), pretrained.WORD_AXES.get(path)
        if axis is None:
            assert np.array_equal(value, before), path
            continue
        for number, row in enumerate(rows):
            expected = fresh[collection, path].take(number, axis) if row is None else before.take(row, axis)
            assert np.array_equal(value.take(number, axis), expected), (path, number)


def test_a_run_of_another_architecture_is_one_error_that_lists_both_sides(make_experiment, trained):
    changes = {'init_from': str(trained), 'model.contrastive': True, 'model.feed_forward': 24}
    with pytest.raises(ValueError, match='(?s)lacks.*image_head/kernel.*feed_forward_block/inner/bias: expected'):
        read_initial_weights(make_experiment(changes))


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'init_from': 'a', 'backbone_weights': 'b'}, 'got both'),
        ({'init_from': 'nowhere'}, 'nowhere: expected a workdir'),
        ({'backbone_weights': 'nowhere.pth'}, 'nowhere.pth: .*No such file'),
    ],
)
def test_a_start_that_cannot_be_is_an_error(make_experiment, changes, message):
    with pytest.raises(ValueError, match=message):
        read_initial_weights(make_experiment(changes))


def test_without_either_field_the_state_stays_as_drawn(make_experiment):
    state = fresh_state(make_experiment())
    assert read_initial_weights(make_experiment()) is None
    assert with_initial_weights(state, None, sharding.make_mesh()) is state


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'init_from': 'TMP'}, 'init_from=.*found none'),
        ({'search.name': 'foo'}, "got 'foo'"),
        ({'loss.tdm_count': 'foo'}, "got 'foo'"),
        ({'data.on_damaged_image': 'foo'}, "got 'foo'"),
        ({'model.view_embeddings': 1}, 'at least 2 views, got 1'),
    ],
)
def test_a_start_that_cannot_be_leaves_the_workdir_unmade(tmp_path, make_config, changes, message):
    changes = {name: str(tmp_path) if value == 'TMP' else value for name, value in changes.items()}
    with pytest.raises(ValueError, match=message):
        train.train(make_config(changes), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


@pytest.mark.filterwarnings('ignore:Data has no positive values')  # of the curves of learning rates
def test_training_with_learning_rates_of_zero_ends_at_the_parameters_it_started_from(tmp_path, make_config, trained):
    train.train(
        make_config(
            {
                'init_from': str(trained),
                'epochs': 1,
                'batch_size': 24,
                'optimiser.lr_backbone': 0.0,
                'optimiser.lr_decoder': 0.0,
                'evaluation.figures': 0,
                'evaluation.constant_baseline': False,
                'evaluation.shuffled_control': False,
            }
        ),
        tmp_path / 'run',
    )
    before, after = (
        weight_names.flatten({'params': workdir.open_trained(folder).variables['params']})
        for folder in (trained, tmp_path / 'run')
    )
    for key, value in before.items():
        assert np.array_equal(value, after[key]), key
