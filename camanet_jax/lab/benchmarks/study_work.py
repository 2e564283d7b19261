"""The cost of one study: operations by XLA's count of the lowered programs, bytes by counts made once and by formula.

Lowering takes seconds where compiling the full model takes minutes; but nothing is fused before compilation, so that
XLA's bytes of a lowered program say little.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from camanet_jax.lab.benchmarks import decode, train
from camanet_jax.lab.benchmarks.cost import flops_of
from camanet_jax.lab.benchmarks.roofline import Work, least_values
from camanet_jax.lab.benchmarks.workload import Workload
from camanet_jax.models.densenet import DenseNet

# Values read and written for one film of 224 x 224 pixels by DenseNet-121, training and encoding: XLA's count of the
# compiled programs (CPU, float32, batch 4, its own weight gradients of convolutions). It counts a value again for every
# fused operation that reads it.
TRAIN_VALUES, ENCODE_VALUES = 515e6, 95e6
COUNTED_LEAST = least_values((6, 12, 24, 16), 32, 64, 4, 224)
# Rows of D values that a layer of encoder or decoder reads and writes per token between its products, counted by hand.
LAYER_ROWS = 80


def count_work(workload: Workload) -> Work:
    """Counts the work of the configured model and shapes."""
    config, parameters = workload.config, workload.variables()['params']
    sizes = {name: sum(leaf.size for leaf in jax.tree.leaves(tree)) for name, tree in parameters.items()}
    backbone = backbone_of(workload)
    scale = least_bytes(workload) / COUNTED_LEAST
    wide = jnp.dtype(workload.experiment.model().param_dtype).itemsize  # of the memory and the logits, at any dtype
    return Work(
        train_bytes=scale * TRAIN_VALUES + 3 * sequence_bytes(workload),
        encode_bytes=scale * ENCODE_VALUES,
        weight_bytes=value_bytes(workload) * sizes['decoder'] + wide * (sizes['memory'] + sizes['vocabulary_head']),
        films=workload.views,
        rounds=config.data.max_seq_length,
        decoder_layers=config.model.decoder_layers,
        parameters=sum(sizes.values()),
        statistics=2 * (1 + len(backbone.blocks) + 2 * sum(backbone.blocks)),
        train_flops=train_flops(workload),
        **decode_work(workload),
    )


def train_flops(workload: Workload) -> float:
    """Operations of one study's gradient: XLA counts one round of the memory, the others are added."""
    model, variables = workload.experiment.model(), workload.variables()
    batch, (key, weights, _) = workload.batch(jax.device_count()), train.step_arguments(workload)
    backward = train.prefixes(model)['backward']
    whole = flops(backward, variables['params'], variables['batch_stats'], batch, key, weights)
    embedded = jnp.zeros((1, workload.config.model.width), model.dtype)
    one_round = flops(train.memory_round(model), variables['params'], embedded, key)
    return whole / jax.device_count() + (workload.config.data.max_seq_length - 2) * one_round


def decode_work(workload: Workload) -> dict[str, float]:
    """Operations of encoding one study, and operations and cache bytes of one token of all its beams."""
    model, variables = workload.experiment.model(), workload.variables()
    beams, length = workload.config.search.beam_size, workload.config.data.max_seq_length
    encode = partial(model.apply, method='encode')
    project = partial(model.apply, method='cross_projections')
    image = jax.ShapeDtypeStruct((1, *workload.batch(jax.device_count())['images'].shape[1:]), jnp.uint8)
    encoding = jax.eval_shape(encode, variables, image)
    cross = jax.eval_shape(project, variables, encoding)
    cache = jax.eval_shape(lambda given: model.apply(given, 1, beams, length, method='empty_cache'), variables)
    tokens = jax.ShapeDtypeStruct((1, beams), jnp.int32)
    kept = jax.tree.leaves((cache.keys, cache.values, cross))
    return {
        'encode_flops': flops(encode, variables, image) + flops(project, variables, encoding),
        'round_flops': flops(decode.one_round(model), variables, tokens, cache, cross),
        'round_bytes': float(sum(leaf.size * leaf.dtype.itemsize for leaf in kept)),
    }


def flops(program: Callable[..., Any], *args: Any) -> float:
    """XLA's count for a program."""
    return flops_of(jax.jit(program).trace(*args))


def backbone_of(workload: Workload) -> DenseNet:
    """The visual extractor, whose sizes give its bytes."""
    model = workload.experiment.model()
    if model.visual_extractor is not DenseNet:
        raise ValueError(
            f'Expected a DenseNet, whose bytes are known; the configuration has '
            f'{model.visual_extractor.__name__}. Measure it with the `train` benchmark.'
        )
    return DenseNet(**model.backbone_options)


def least_bytes(workload: Workload) -> float:
    """Bytes that the maps of one study take in training at least."""
    backbone, side = backbone_of(workload), workload.config.data.image_size
    values = least_values(backbone.blocks, backbone.growth, backbone.stem, backbone.bottleneck, side)
    return workload.views * value_bytes(workload) * values


def sequence_bytes(workload: Workload) -> float:
    """Bytes between the products of encoder and decoder, in one forward pass of a study."""
    config = workload.config.model
    visual = workload.views * (workload.config.data.image_size // 32) ** 2
    rows = config.encoder_layers * visual + config.decoder_layers * workload.config.data.max_seq_length
    return float(LAYER_ROWS * rows * config.width * value_bytes(workload))


def value_bytes(workload: Workload) -> int:
    """Bytes of a number in the precision of the computation."""
    return jnp.dtype(workload.experiment.model().dtype).itemsize
