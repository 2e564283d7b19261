"""Weights that a new run starts from, other than random initialisation: a trained backbone or a whole trained run.

Files are read and checked before the workdir is made; the values go into the fresh state afterwards.
"""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import traverse_util
from jax.sharding import Mesh

from camanet_jax import sharding
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.experiment import Experiment
from camanet_jax.run.checkpoint import has_checkpoint
from camanet_jax.run.workdir import open_trained
from camanet_jax.torch_io.state_dicts import read_state_dict
from camanet_jax.torch_io.weight_names import (
    SUBSTITUTIONS,
    Naming,
    describe_mismatch,
    flatten,
    load_variables,
    renamed,
)
from camanet_jax.train_step import TrainState

LOG = logging.getLogger(__name__)

# The parameters with an entry for every word, and the axis along which words lie.
WORD_AXES = {'embedding/embedding': 0, 'vocabulary_head/kernel': 1, 'vocabulary_head/bias': 0}
# From the names in older DenseNet files to torchvision's present ones.
FILE_RENAMINGS = ((r'^densenet121\.', ''), (r'(denselayer\d+\.(?:norm|conv))\.([12])\.', r'\1\2.'))
# From the authors' names of a backbone's parts to torchvision's: three of a ResNet, one of a DenseNet.
BACKBONE_RENAMINGS = (
    (r'^visual_extractor\.model\.0\.', 'conv1.'),
    (r'^visual_extractor\.model\.1\.', 'bn1.'),
    (r'^visual_extractor\.model\.(\d)\.', lambda match: f'layer{int(match[1]) - 3}.'),
    (r'^visual_extractor\.model\.', 'features.'),
)
# A backbone's variables as torchvision names them, e.g. 'features.denseblock1.denselayer1.norm1.bias'.
TORCHVISION = Naming((*SUBSTITUTIONS, *BACKBONE_RENAMINGS), ignored=r'^(classifier|fc)\.|num_batches_tracked$')

Slots = dict[tuple[str, str], Any]


@dataclasses.dataclass(frozen=True)
class InitialWeights:
    """Values for some or all variables.

    Attributes:
      values: arrays by collection and path.
      new_ids, old_ids: ids of the shared words here and in `values`; for the parameters of `WORD_AXES` only.
    """

    values: Slots
    new_ids: tuple[int, ...] = ()
    old_ids: tuple[int, ...] = ()


def read_initial_weights(experiment: Experiment) -> InitialWeights | None:
    """Reads the weights that `backbone_weights` or `init_from` names and checks them; None where neither is set."""
    backbone, run = experiment.config.backbone_weights, experiment.config.init_from
    if backbone and run:
        raise ValueError(f'Expected backbone_weights or init_from, got both ({backbone}, {run}); a run has a backbone.')
    if backbone:
        own = getattr(experiment.model().visual_extractor, 'torch_names', None)
        naming = own and own._replace(substitutions=((r'^backbone/', ''), *own.substitutions))
        return backbone_weights(Path(backbone), experiment.state_shapes().variables, naming or TORCHVISION)
    return run_weights(Path(run), experiment) if run else None


def backbone_weights(file: Path, shapes: dict[str, Any], naming: Naming = TORCHVISION) -> InitialWeights:
    """The feature weights of a DenseNet or ResNet file, without its classifier, or of one with names of its own."""
    template = {name: {'backbone': tree['backbone']} for name, tree in shapes.items() if 'backbone' in tree}
    try:
        arrays = {renamed(name, FILE_RENAMINGS): value for name, value in read_state_dict(file).items()}
        variables = load_variables(arrays, template, naming)
    except ValueError as error:
        raise ValueError(f'backbone_weights={file}: {error}') from error
    values = flatten(variables)
    LOG.info('Backbone: %d arrays of %s', len(values), file)
    return InitialWeights(values)


def run_weights(workdir: Path, experiment: Experiment) -> InitialWeights:
    """The best weights of a run of the same architecture, and the ids of the words both know."""
    if not has_checkpoint(workdir):
        raise ValueError(f'init_from={workdir}: expected a workdir with a checkpoint, found none there.')
    trained = open_trained(workdir)
    values = jax.device_get(flatten(trained.variables))
    check_same_architecture(workdir, values, flatten(experiment.state_shapes().variables))
    old, new = trained.experiment.tokenizer, experiment.tokenizer
    pairs = shared_ids(old, new)
    LOG.info(
        'Weights of %s, step %d: %d words shared, %d new, %d left behind',
        workdir,
        trained.step,
        len(pairs) - 1,
        len(new) + 1 - len(pairs),
        len(old) + 1 - len(pairs),
    )
    return InitialWeights(values, *zip(*pairs, strict=True))


def shared_ids(old: Tokenizer, new: Tokenizer) -> list[tuple[int, int]]:
    """(new id, old id) of every word in both, and of id 0."""
    old_ids = {word: number for number, word in enumerate(old.words, start=1)}
    return [(0, 0), *((number, old_ids[word]) for number, word in enumerate(new.words, start=1) if word in old_ids)]


def check_same_architecture(workdir: Path, values: Slots, slots: Slots) -> None:
    """Raises ValueError where names or shapes differ, except in the number of words."""
    missing = sorted('/'.join(key) for key in slots.keys() - values.keys())
    extra = sorted('/'.join(key) for key in values.keys() - slots.keys())
    shapes = {key: (slots[key].shape, values[key].shape) for key in slots.keys() & values.keys()}
    misshaped = sorted(
        f'{"/".join(key)}: expected {wanted}, got {got}'
        for key, (wanted, got) in shapes.items()
        if without_words(key[1], wanted) != without_words(key[1], got)
    )
    if missing or extra or misshaped:
        raise ValueError(f'init_from={workdir}: ' + describe_mismatch(missing, extra, misshaped))


def without_words(path: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its axis of words."""
    return tuple(size for axis, size in enumerate(shape) if axis != WORD_AXES.get(path))


def with_initial_weights(state: TrainState, weights: InitialWeights | None, mesh: Mesh) -> TrainState:
    """A fresh state with these weights; rows of words that they lack stay as they are."""
    if weights is None:
        return state
    merged: dict[str, dict[str, Any]] = {'params': {}, 'batch_stats': {}}
    for (collection, path), fresh in flatten(state.variables).items():
        value = weights.values.get((collection, path))
        if value is not None:
            value = value if path not in WORD_AXES else merge_words(np.array(fresh), value, WORD_AXES[path], weights)
            fresh = sharding.put_replicated(np.asarray(value, fresh.dtype), mesh)
        merged[collection][path] = fresh
    return state.replace(**{name: traverse_util.unflatten_dict(tree, sep='/') for name, tree in merged.items()})


def merge_words(fresh: np.ndarray, value: np.ndarray, axis: int, weights: InitialWeights) -> np.ndarray:
    """`fresh` with the rows of shared words from `value`; words lie on `axis`."""
    np.moveaxis(fresh, axis, 0)[list(weights.new_ids)] = np.moveaxis(value, axis, 0)[list(weights.old_ids)]
    return fresh
