"""From a study's record to an example: images decoded and transformed, the report tokenised.

An example is a row of a batch (pipeline.py) with one more entry, `damaged`: the position of a study that
was skipped because one of its images cannot be decoded, or -1.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from camanet_jax import extensions
from camanet_jax.data.image_files import DamagedImageError, open_grey
from camanet_jax.data.schema import OBSERVATIONS, UNLABELLED
from camanet_jax.data.sources import Records
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.data.transforms import AUGMENTATIONS, EVAL_TRANSFORMS, check_sizes, eval_image, train_image

Example = dict[str, np.ndarray | np.generic]
Transform = Callable[..., np.ndarray]  # PIL image, and its original_size where it has one --> uint8 [height width]
NONE = -1  # the position of no study


@dataclasses.dataclass(frozen=True)
class LoadOptions:
    """Options of loading studies, named as in `config.data`."""

    image_size: int  # height and width of the images, pixels
    resize_size: int  # short side before the crop, pixels
    max_seq_length: int  # ids per report, the leading 0 included
    train_augment: str  # a name for `transforms.train_image`
    eval_transform: str  # a name for `transforms.eval_image`
    num_workers: int  # processes that load training batches; 0 loads in threads, as evaluation does
    prefetch: int = 4  # batches (per worker) made ahead of time
    # 'raise', or 'skip' a study with an image that cannot be decoded: in training the next study takes its place, and
    # skipped ones are logged and counted; in evaluation its row is not valid.
    on_damaged_image: str = 'raise'
    extras: tuple[str, ...] = ()  # names of functions (`make_extras`)
    fewer_views: str = 'error'  # or 'mask': the last image of a study with too few is repeated, and masked

    def __post_init__(self):
        for name, choices in (
            ('on_damaged_image', ('raise', 'skip')),
            ('train_augment', tuple(AUGMENTATIONS)),
            ('eval_transform', EVAL_TRANSFORMS),
        ):
            if (value := getattr(self, name)) not in choices:
                raise ValueError(f'Expected data.{name} to be one of {choices}, got {value!r}.')
        check_sizes(self.image_size, self.resize_size)


@dataclasses.dataclass(frozen=True)
class ExampleLoader:
    """Loads examples by position; a plain value, so that it can be sent to a worker."""

    records: Records
    tokenizer: Tokenizer
    options: LoadOptions

    def train(self, position: int, rng: np.random.Generator) -> Example:
        """The study at `position`, augmented; the next undamaged one where its images are damaged."""
        vary = functools.partial(train_image, rng=rng, augment=self.options.train_augment, **self._sizes())
        for offset in range(len(self.records)):
            candidate = (position + offset) % len(self.records)
            example = self._load(candidate, vary)
            if example is not None:
                return example | {'damaged': np.int32(position if offset else NONE)}
        raise ValueError('every study has a damaged image')

    def evaluate(self, position: int) -> Example:
        """The study at `position`; an invalid row where it is damaged, or beyond the last study."""
        if position >= len(self.records):
            return self._empty(damaged=NONE)
        transform = functools.partial(eval_image, eval_transform=self.options.eval_transform, **self._sizes())
        example = self._load(position, transform)
        return self._empty(damaged=position) if example is None else example | {'damaged': np.int32(NONE)}

    def _sizes(self) -> dict[str, int]:
        return {'image_size': self.options.image_size, 'resize_size': self.options.resize_size}

    def _load(self, position: int, transform: Transform) -> Example | None:
        """The example, or None where an image is damaged and such studies are skipped."""
        record = self.records[position]
        try:
            example = to_example(record, transform, self.tokenizer, self.options.max_seq_length)
            example |= self._extras(record, len(record['images']))
        except DamagedImageError as error:
            if self.options.on_damaged_image == 'skip':
                return None
            raise DamagedImageError(
                f'study {record["id"]}: {error} (replace the file and remove '
                f"{self.records.prepared_dir}, or set on_damaged_image='skip')"
            ) from error
        if missing := self.records.views - len(example['images']):
            example['images'] = np.concatenate([example['images'], np.repeat(example['images'][-1:], missing, 0)])
        return example | {'valid': np.True_, 'index': np.int32(position)}

    def _extras(self, record: Mapping[str, Any], films: int) -> dict[str, Any]:
        return make_extras(record, films, self.records.views, self.tokenizer, self.options)

    def _empty(self, *, damaged: int) -> Example:
        side, length = self.options.image_size, self.options.max_seq_length
        return {
            'images': np.zeros((self.records.views, side, side), np.uint8),
            'tokens': np.zeros(length, np.int32),
            'token_mask': np.zeros(length, np.float32),
            'labels': np.zeros(len(OBSERVATIONS), np.float32),
            'valid': np.False_,
            'index': np.int32(NONE),
            'damaged': np.int32(damaged),
            **self._extras({}, self.records.views),
        }


def make_extras(
    record: Mapping[str, Any], films: int, views: int, tokenizer: Tokenizer, options: LoadOptions
) -> dict[str, dict[str, Any]]:
    """{'extras': arrays by name}: the network's inputs beside the images; nothing where there are none.

    They are what `options.extras`, functions of the record and the tokenizer, make of a record's other fields, of one
    shape for every record; and `view_mask` [I], True for the films that exist, where studies may have fewer.

    Args:
      record: empty where there is none, for a row that only fills a batch or films that come alone.
    """
    functions = extensions.find_all('data.extras', options.extras)
    extras = {called: np.asarray(function(record, tokenizer)) for called, function in functions.items()}
    if options.fewer_views == 'mask':
        extras['view_mask'] = np.arange(views) < films
    return {'extras': extras} if extras else {}


def to_example(record: dict[str, Any], transform: Transform, tokenizer: Tokenizer, max_seq_length: int) -> Example:
    """Makes arrays of one record (`sources.Records`); `transform` is applied to each view in turn.

    Raises:
        DamagedImageError: an image cannot be decoded.
    """
    films = [open_grey(encoded, path) for encoded, path in zip(record['images'], record['image_paths'], strict=True)]
    # Records of users' own builders, and of earlier versions, have no sizes.
    sizes = record.get('original_sizes', np.zeros((len(films), 2), int))[: len(films)].tolist()
    images = [
        transform(film, original_size=tuple(size)) if any(size) else transform(film)
        for film, size in zip(films, sizes, strict=True)
    ]
    ids = tokenizer.encode(record['report'], max_seq_length)
    labels = record['labels'].astype(np.float32)
    return {
        'images': np.stack(images),  # --> [I height width]
        'tokens': np.pad(np.array(ids, np.int32), (0, max_seq_length - len(ids))),
        'token_mask': (np.arange(max_seq_length) < len(ids)).astype(np.float32),
        'labels': np.where(labels == UNLABELLED, np.float32(np.nan), labels),
    }
