"""The configured model on generated studies of the configured shapes, for measurements without a data set."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from camanet_jax import sharding
from camanet_jax.configuration import fill_variant, recipe
from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.data.tokenizer import UNKNOWN, Tokenizer
from camanet_jax.experiment import Experiment

PUBLISHED_VOCABULARIES = {'iu_xray': 761, 'mimic_cxr': 4336}  # rows of the authors' released checkpoints
SMALL_VOCABULARY = 50
SMALL_BATCH = 8


@dataclasses.dataclass(frozen=True)
class Workload:
    """A resolved configuration with a generated vocabulary of `vocabulary_size` rows (words and id 0)."""

    config: ConfigDict
    vocabulary_size: int

    @functools.cached_property
    def experiment(self) -> Experiment:
        """Model, optimiser, objective and search of the configuration."""
        words = (UNKNOWN, *(f'word{i}' for i in range(self.vocabulary_size - 2)))
        return Experiment(self.config, Tokenizer(words, self.config.data.cleaner))

    @functools.cached_property
    def mesh(self) -> Mesh:
        """All devices."""
        return sharding.make_mesh()

    @property
    def views(self) -> int:
        """Images per study."""
        return self.config.data.views

    def batch(self, studies: int) -> dict[str, jax.Array]:
        """Generated studies on the devices: noise for films, random words that fill every report, random labels."""
        rng, data = np.random.default_rng(0), self.config.data
        films = studies, data.views, data.image_size, data.image_size
        tokens = rng.integers(1, self.vocabulary_size, (studies, data.max_seq_length), np.int32)
        tokens[:, 0] = 0
        labels = rng.integers(0, 2, (studies, len(OBSERVATIONS))).astype(np.float32)
        made = {
            'images': rng.integers(0, 256, films, np.uint8),
            'tokens': tokens,
            'token_mask': np.ones(tokens.shape, np.float32),
            'labels': labels,
            'valid': np.ones(studies, bool),
            'index': np.arange(studies, dtype=np.int32),
        }
        return sharding.put_batch(made, self.mesh)

    def variables(self) -> dict[str, Any]:
        """Random parameters and statistics on every device; initialising the model would take longer to compile."""
        shapes, rng = self.experiment.state_shapes().variables, np.random.default_rng(0)
        return sharding.put_replicated(jax.tree.map(lambda leaf: made_leaf(leaf, rng), shapes), self.mesh)

    def describe(self, studies: int) -> dict[str, Any]:
        """The shapes that determine the amount of work."""
        data = self.config.data
        return {
            'studies': studies,
            'views': data.views,
            'image_size': data.image_size,
            'max_seq_length': data.max_seq_length,
            'vocabulary_size': self.vocabulary_size,
            'dtype': self.config.dtype,
            'devices': jax.device_count(),
        }


def made_leaf(leaf: jax.ShapeDtypeStruct, rng: np.random.Generator) -> np.ndarray:
    """Random where there are several axes, scaled to keep the size of activations; ones elsewhere."""
    if len(leaf.shape) < 2:
        return np.ones(leaf.shape, leaf.dtype)
    fan_in = leaf.size // leaf.shape[-1]
    return (rng.standard_normal(leaf.shape, np.float32) / np.sqrt(fan_in)).astype(leaf.dtype)


def read_workload(
    path: Path, *, batch_size: int | None = None, max_seq_length: int | None = None, small: bool = False, **changes: Any
) -> Workload:
    """The configuration file at `path` with these changes; None leaves a field as it is.

    Args:
      path: a file with `get_config`, e.g. configs/iu_xray.py.
      batch_size: studies in a batch, of training and of decoding.
      max_seq_length: ids per report, BOS counted.
      small: makes everything as small as possible, to test the benchmark itself.
      **changes: values of top-level fields.
    """
    config = recipe(path)
    if small:
        shrink(config)
    if batch_size is not None:
        config.batch_size = config.evaluation.batch_size = batch_size
    if max_seq_length is not None:
        config.data.max_seq_length = max_seq_length
    config.update({name: value for name, value in changes.items() if value is not None})
    size = SMALL_VOCABULARY if small else PUBLISHED_VOCABULARIES[config.data.cleaner]
    return Workload(fill_variant(config), size)


def shrink(config: ConfigDict) -> None:
    """Makes model and studies so small that they take seconds; a synthetic data set gets a few studies."""
    config.batch_size = config.evaluation.batch_size = SMALL_BATCH
    config.data.update(max_seq_length=16, image_size=32, resize_size=36, threshold=1)
    config.model.update(
        width=16, feed_forward=16, heads=2, encoder_layers=1, decoder_layers=1, dropout=0.0, projection_dropout=0.0
    )
    small = dict(blocks=(1, 1), growth=4, stem=8)
    known = config.model.backbone_options.keys() & small.keys()  # a ResNet has no growth
    config.model.backbone_options = ConfigDict({name: small[name] for name in known})
    if config.data.name == 'synthetic':
        config.data.options = ConfigDict(dict(image_size=40, train_studies=8, val_studies=1, test_studies=1))
