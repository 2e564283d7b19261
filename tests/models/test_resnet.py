"""ResNet against what PyTorch computes (torch_resnet.py), through a file of torchvision's names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch_resnet
from flax import traverse_util
from quick_modules import quick

from camanet_jax.models.resnet import ResNet
from camanet_jax.pretrained import backbone_weights
from camanet_jax.torch_io import weight_names
from camanet_jax.torch_io.buffers import official_order
from camanet_jax.torch_io.state_dicts import write_state_dict

MODEL = ResNet(torch_resnet.BLOCKS, torch_resnet.STEM, dtype=jnp.float64, param_dtype=jnp.float64)
HEAD = {'fc.weight': np.ones((5, 32)), 'fc.bias': np.ones(5), 'bn1.num_batches_tracked': np.array(3)}


@pytest.fixture(scope='module')
def values():
    with np.load(torch_resnet.VALUES) as file:
        return dict(file)


@pytest.fixture
def shapes(double):
    """The model's variables under the place of a backbone."""
    return {
        name: {'backbone': tree}
        for name, tree in jax.eval_shape(
            lambda: MODEL.init(jax.random.key(0), torch_resnet.films(), train=False)
        ).items()
    }


@pytest.fixture
def variables(tmp_path, shapes):
    """Read from a file as torchvision writes it."""
    drawn = {name: torch_resnet.draw(name, shape) for name, shape in torch_resnet.shapes().items()}
    write_state_dict(tmp_path / 'resnet.safetensors', drawn | HEAD)
    found = {}
    for (collection, path), value in backbone_weights(tmp_path / 'resnet.safetensors', shapes).values.items():
        found.setdefault(collection, {})[path.removeprefix('backbone/')] = value
    return {name: traverse_util.unflatten_dict(tree, sep='/') for name, tree in found.items()}


def test_features_are_pytorchs(variables, values, double):
    found = quick(lambda variables, x: MODEL.apply(variables, x, train=False))(variables, torch_resnet.films())
    np.testing.assert_allclose(found, values['evaluation'], rtol=1e-11, atol=1e-12)


def test_training_and_its_running_statistics_are_pytorchs(variables, values, double):
    step = quick(lambda variables, x: MODEL.apply(variables, x, train=True, mutable=['batch_stats']))
    found, changed = step(variables, torch_resnet.films())
    np.testing.assert_allclose(found, values['training'], rtol=1e-9, atol=1e-10)
    statistics = changed['batch_stats']
    for name, value in {
        'bn1.running_mean': statistics['bn1']['mean'],
        'bn1.running_var': statistics['bn1']['var'],
        'layer1.1.bn2.running_var': statistics['stage1_unit1']['bn2']['var'],
        'layer2.0.downsample.1.running_mean': statistics['stage2_unit0']['downsample_bn']['mean'],
    }.items():
        np.testing.assert_allclose(value, values[name], rtol=1e-10, err_msg=name)


def test_a_file_of_another_depth_is_an_error_in_torchvisions_names(tmp_path, shapes):
    drawn = {name: torch_resnet.draw(name, shape) for name, shape in torch_resnet.shapes().items()}
    drawn['layer2.1.conv1.weight'] = drawn.pop('layer2.0.conv1.weight')
    write_state_dict(tmp_path / 'resnet.safetensors', drawn)
    with pytest.raises(ValueError, match=r'(?s)lacks: 1\n  layer2.0.conv1.weight.*place.*: 1\n  layer2.1.conv1'):
        backbone_weights(tmp_path / 'resnet.safetensors', shapes)


def test_the_authors_names_number_the_parts_and_follow_their_order():
    names = [
        weight_names.CAMANET.name(f'backbone/{path}')
        for path in (
            'conv1/kernel',
            'bn1/scale',
            'stage1_unit0/conv1/kernel',
            'stage1_unit0/bn1/mean',
            'stage1_unit0/conv3/kernel',
            'stage1_unit0/downsample_conv/kernel',
            'stage1_unit0/downsample_bn/var',
            'stage3_unit22/conv2/kernel',
        )
    ]
    assert [name.removeprefix('visual_extractor.model.') for name in names] == [
        '0.weight',
        '1.weight',
        '4.0.conv1.weight',
        '4.0.bn1.running_mean',
        '4.0.conv3.weight',
        '4.0.downsample.0.weight',
        '4.0.downsample.1.running_var',
        '6.22.conv2.weight',
    ]
    assert sorted(names, key=official_order) == names


def test_resnet_101_makes_49_tokens_of_2048_channels():
    model = ResNet()
    films = jnp.zeros((1, 1, 224, 224, 3))
    shapes = jax.eval_shape(lambda: model.init_with_output(jax.random.key(0), films, train=False))
    assert shapes[0].shape == (1, 1, 7, 7, 2048) and model.channels == 2048
    assert sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(shapes[1]['params'])) == 42_500_160
