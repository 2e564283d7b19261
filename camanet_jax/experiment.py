"""From a configuration to the objects of a run: data, model, optimiser, losses, search."""

import dataclasses
import functools
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.core import FrozenDict
from ml_collections import ConfigDict

from camanet_jax import decoding, extensions, losses, optim
from camanet_jax.data import pipeline
from camanet_jax.data.examples import ExampleLoader, LoadOptions, make_extras
from camanet_jax.data.image_store import why_originals
from camanet_jax.data.schema import OBSERVATIONS, SPLITS, summarise
from camanet_jax.data.sources import Source, open_sources
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.train_step import TrainState, init_state

LOG = logging.getLogger(__name__)

# From the rows of a predictions file to numbers by name.
Metric = Callable[[list[dict[str, Any]]], Mapping[str, float]]
# From the state, a batch on the devices and the step's key to the batch that the step gets.
BatchMaker = Callable[[TrainState, dict[str, Any], jax.Array], dict[str, Any]]
SELECTIONS = ('bleu', 'bleu_4', 'last')  # how the epoch is chosen
MATMUL_PRECISIONS = 'default', 'high', 'highest'
DTYPES = {'float32': jnp.float32, 'bfloat16': jnp.bfloat16, 'float64': jnp.float64}


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A resolved configuration with its vocabulary; every method makes a part of the run."""

    config: ConfigDict
    tokenizer: Tokenizer

    @classmethod
    def from_run(cls, config: ConfigDict, run: dict[str, Any]) -> 'Experiment':
        """Makes one with the vocabulary in a checkpoint's `run` part."""
        return cls(config, tokenizer_class(config.data.tokenizer).from_json(run['vocabulary']))

    def model(self) -> nn.Module:
        """The network, with this vocabulary's rows."""
        fields = self.config.model.to_dict()
        network = extensions.find('model.network', fields.pop('network'))
        options = fields.pop('network_options')
        fields['backbone_options'] = FrozenDict(fields['backbone_options'])  # a module must be hashable
        for name in ('visual_extractor', 'class_maps'):
            fields[name] = extensions.find(f'model.{name}', fields[name])
        check_options(fields['visual_extractor'], fields['backbone_options'])
        names = fields.pop('cam_classes')
        classes = None if names is None else tuple(observation_index(name) for name in names)
        fields |= dict(
            vocabulary_size=len(self.tokenizer) + 1,
            cam_classes=classes,
            topk=self.config.loss.topk,
            tdm_count=self.config.loss.tdm_count,
            matmul_precision=matmul_precision(self.config.matmul_precision),
            dtype=dtype(self.config.dtype),
            param_dtype=param_dtype(self.config.dtype),
        )
        if 'max_positions' not in options:
            fields['max_positions'] = max(512, self.config.data.max_seq_length + 1)  # an explained text is read whole
        return make_network(network, fields, options)

    def optimiser(self):
        """The optimiser; learning rates are given to every update."""
        fields = 'clip_value', 'weight_decay', 'b1', 'b2', 'eps', 'frozen'
        return optim.make_optimiser(**{name: self.config.optimiser[name] for name in fields})

    def learning_rates(self, update: int, steps_per_epoch: int) -> optim.LearningRates:
        """Learning rates of one update, counted from 0."""
        schedule = extensions.find('optimiser.schedule', self.config.optimiser.schedule)
        return optim.LearningRates(*map(float, schedule(self.config, update, steps_per_epoch)))

    def loss_table(self) -> losses.Losses:
        """The table of losses and those that the configuration adds; a class builds its loss from the experiment."""
        report = {'report_nll': losses.report_loss(self.config.loss.report_mean)}
        return losses.LOSSES | report | self._extra_rows

    @functools.cached_property
    def _extra_rows(self) -> losses.Losses:
        """Rows of the losses that the configuration adds; made once, since a class may read the train split for it."""
        rows = {}
        for called, name in self._extra_losses().items():
            extension = extensions.find('loss.extra', name)
            rows[called] = losses.extra_loss(extension(self) if inspect.isclass(extension) else extension)
        return rows

    @functools.cached_property
    def batch_maker(self) -> BatchMaker:
        """The object that `loss.batch_maker` names, made from this experiment; by default batches stay as they are."""
        name = self.config.loss.batch_maker
        return extensions.find('loss.batch_maker', name)(self) if name else lambda state, batch, key: batch

    def loss_weights(self) -> dict[str, float]:
        """Weights of the losses in the total."""
        extra = zip(self._extra_losses(), map(float, self.config.loss.extra_weights), strict=True)
        return losses.weights(self.config.loss) | dict(extra)

    def extra_metrics(self) -> dict[str, Metric]:
        """The metrics that the configuration adds, by name."""
        return extensions.find_all('evaluation.metrics', self.config.evaluation.metrics)

    def check(self) -> None:
        """Raises ValueError where the configuration names something that does not exist, or parts do not fit."""
        shapes = self.state_shapes()
        self.loss_table()
        self.learning_rates(0, 1)
        self.batch_maker  # noqa: B018  made here, since it may refuse the configuration
        if self.config.optimiser.frozen:
            held = partial(optim.freeze, patterns=self.config.optimiser.frozen)
            jax.eval_shape(held, shapes.params)
        self.load_options()
        self.decoding_options()
        self.extra_metrics()
        check_contrastive(self.config)
        if self.config.selection not in SELECTIONS:
            raise ValueError(f'Expected selection to be one of {SELECTIONS}, got {self.config.selection!r}.')

    def decoding_options(self, **changes: Any) -> dict[str, Any]:
        """Keyword arguments of `decoding.decode_reports`: the configured search, with `changes`."""
        options = {'int8': False} | self.config.search.to_dict() | changes
        shared = {name: options.pop(name) for name in ('beam_size', 'int8')}
        search = decoding.make_search(options.pop('name'), **options)
        return dict(search=search, max_length=self.config.data.max_seq_length, **shared)

    def train_batches(self, source: Source) -> pipeline.BatchIterator:
        """This process's rows of the endless training batches."""
        sizes = dict(batch_size=self.config.batch_size, seed=self.config.seed)
        return pipeline.train_batches(source, self.tokenizer, self.load_options(), **sizes, **processes())

    def eval_batches(self, source: Source) -> pipeline.EvalBatches:
        """This process's rows of one pass over a split."""
        batch_size = self.config.evaluation.batch_size
        return pipeline.eval_batches(source, self.tokenizer, self.load_options(), batch_size=batch_size, **processes())

    def study_loader(self, source: Source) -> Callable[[int], dict[str, Any]]:
        """Loads single studies, by position, as the evaluation does."""
        options = dataclasses.replace(self.load_options(), on_damaged_image='raise')
        return ExampleLoader(source.records, self.tokenizer, options).evaluate

    def load_options(self) -> LoadOptions:
        """Options of everything that loads studies."""
        return LoadOptions(**{field.name: self.config.data[field.name] for field in dataclasses.fields(LoadOptions)})

    def example_batch(self) -> dict[str, Any]:
        """One row with the shapes of a batch, from which those of the parameters follow."""
        side, length = self.config.data.image_size, self.config.data.max_seq_length
        row = {
            'images': np.zeros((self.config.data.views, side, side), np.uint8),
            'tokens': np.zeros(length, np.int32),
        }
        return jax.tree.map(lambda x: x[None], row | self.extras({}, self.config.data.views))

    def extras(self, record: Mapping[str, Any], films: int) -> dict[str, Any]:
        """The inputs beside the images of a study with `films` films, as an entry of a batch's row."""
        return make_extras(record, films, self.config.data.views, self.tokenizer, self.load_options())

    def state_shapes(self) -> TrainState:
        """A training state with shapes in place of arrays."""
        model, tx = self.model(), self.optimiser()
        return jax.eval_shape(lambda: init_state(model, tx, jax.random.key(0), self.example_batch()))

    def _extra_losses(self) -> dict[str, str]:
        """The names of the added losses; nothing is imported, since writing reports needs no loss."""
        names, weights = self.config.loss.extra, self.config.loss.extra_weights
        if len(names) != len(weights):
            raise ValueError(f'Expected a weight for each of loss.extra={names}, got loss.extra_weights={weights}.')
        called = extensions.by_call('loss.extra', names)
        if taken := sorted(called.keys() & losses.LOSSES.keys()):
            raise ValueError(f'loss.extra: {taken[0]} is the name of a term already; rename yours.')
        return called


def processes() -> dict[str, int]:
    """The index of this process, and the number of processes that share each batch."""
    return dict(process_index=jax.process_index(), process_count=jax.process_count())


def make_network(network: type[nn.Module], fields: Mapping[str, Any], options: Mapping[str, Any]) -> nn.Module:
    """The network with those of the configuration's fields that it has as attributes, and its own options.

    Raises:
      ValueError: it has no such option.
    """
    known = inspect.signature(network).parameters
    if unknown := sorted(options.keys() - (known.keys() - fields.keys())):
        own = ', '.join(sorted(known.keys() - fields.keys() - {'parent', 'name'})) or 'none'
        raise ValueError(f'model.network_options: {network.__name__} has no {unknown[0]!r} of its own, but {own}.')
    return network(**{name: value for name, value in fields.items() if name in known}, **options)


def check_options(extractor: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Raises ValueError where a visual extractor does not accept the options of the configuration."""
    try:
        inspect.signature(extractor).bind(**options, dtype=None, param_dtype=None)
    except TypeError as error:
        raise ValueError(
            f'model.backbone_options={dict(options)} do not fit {extractor.__name__}: {error}. Give its '
            'own in a configuration file, as configs/resnet101.py does.'
        ) from error


def check_contrastive(config: ConfigDict) -> None:
    """Raises ValueError where the contrastive loss would be left out, train nothing, or miss most of its negatives."""
    contrastive, weight = config.model.contrastive, config.loss.contrastive_weight
    if contrastive != (weight > 0):
        raise ValueError(
            'Expected model.contrastive=True together with a loss.contrastive_weight above 0, got '
            f'model.contrastive={contrastive} and loss.contrastive_weight={weight}.'
        )
    if contrastive and config.accumulate > 1:
        raise ValueError(
            f'Expected accumulate=1 with model.contrastive=True, got {config.accumulate}: a study would be compared '
            'with those of its own part alone.'
        )


def dtype(name: str) -> Any:
    """The dtype of the computation."""
    if name not in DTYPES:
        raise ValueError(f'Expected dtype to be one of {sorted(DTYPES)}, got {name!r}.')
    return DTYPES[name]


def matmul_precision(name: str) -> str:
    """The precision of float32 products, by JAX's name."""
    if name not in MATMUL_PRECISIONS:
        raise ValueError(f'Expected matmul_precision to be one of {MATMUL_PRECISIONS}, got {name!r}.')
    return name


def param_dtype(name: str) -> Any:
    """The dtype of the parameters: at least float32."""
    return jnp.promote_types(dtype(name), jnp.float32)


def observation_index(name: str) -> int:
    """Index of an observation in the label files' order."""
    if name not in OBSERVATIONS:
        raise ValueError(f'Expected model.cam_classes to be among {OBSERVATIONS}, got {name!r}.')
    return OBSERVATIONS.index(name)


def open_split(config: ConfigDict, split: str) -> Source:
    """One split of the configured data set, prepared on first use."""
    (source,) = open_splits(config, (split,))
    return source


def open_splits(config: ConfigDict, splits: Sequence[str] = SPLITS) -> list[Source]:
    """Splits of the configured data set, prepared on first use."""
    data = config.data
    if data.section and data.name == 'synthetic':
        raise ValueError(
            f"expected data.section='' for synthetic reports, which have one section, got {data.section!r}"
        )
    sources = open_sources(
        splits,
        name=data.name,
        data_dir=config.data_dir,
        views=data.views,
        cache_dir=config.cache_dir or None,
        extra_views=data.extra_views,
        fewer_views=data.fewer_views,
        **data.options.to_dict(),
        **({'section': data.section} if data.section else {}),  # not every builder has it
    )
    for split, source in zip(splits, sources, strict=True):
        if source.faults and data.on_damaged_image == 'raise':
            raise ValueError(
                f'{config.data_dir}: {summarise(source.faults, "damaged film", "damaged films")} in {split!r}; '
                "replace the files, or set --config.data.on_damaged_image='skip'"
            )
    if reason := why_originals(sources[0].store, data.eval_transform, data.resize_size):
        warn_of_small_films(config.data_dir, reason)
    return sources


@functools.cache  # once a run, however often its data are opened
def warn_of_small_films(data_dir: str, reason: str) -> None:
    """Warns how far images differ from those of the originals, measured on five IU X-Ray films of 224 pixels."""
    LOG.warning(
        '%s holds small films where this run wants originals: %s. Images will differ by about 0.6 of 255 grey '
        'levels on average, 40 at most; scripts/prepare_data.py --store=original keeps the films as they are.',
        *(data_dir, reason),
    )


def tokenizer_class(name: str) -> type[Tokenizer]:
    """The class that `data.tokenizer` names."""
    return extensions.find('data.tokenizer', name)


def build_tokenizer(config: ConfigDict, train: Source) -> Tokenizer:
    """The vocabulary of the train split."""
    build = tokenizer_class(config.data.tokenizer).build
    return build(train.reports, cleaner=config.data.cleaner, threshold=config.data.threshold)
