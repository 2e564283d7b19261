"""One study's record to one example: images decoded and transformed, report tokenised.

An example is a batch's row (pipeline.py), with one more entry, `damaged`: the position of a study
that was passed over because an image of it cannot be decoded, or -1.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from camanet_jax.data.image_files import DamagedImageError, open_grey
from camanet_jax.data.schema import OBSERVATIONS, UNLABELLED
from camanet_jax.data.sources import Records
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.data.transforms import eval_image, train_image

Example = dict[str, np.ndarray | np.generic]
Transform = Callable[..., np.ndarray]  # PIL image, and its original_size where it has one --> uint8 [height width]
NONE = -1  # the position of no study


@dataclasses.dataclass(frozen=True)
class LoadOptions:
    """How studies are loaded, by the names of `config.data`.

    Attributes:
      image_size: height and width of the images, pixels; resize_size: short side before the crop, pixels.
      max_seq_length: ids per report, the leading 0 included.
      train_augment: a name for `transforms.train_image`; eval_transform: one for `transforms.eval_image`.
      num_workers: processes that load; 0 loads in threads of this one.
      prefetch: batches (per worker) made ahead of time.
      on_damaged_image: 'raise', or 'skip' a study with an image that cannot be decoded: in training the next study
        takes its place, and the skipped ones are logged and counted; in evaluation its row is not valid.
    """

    image_size: int
    resize_size: int
    max_seq_length: int
    train_augment: str
    eval_transform: str
    num_workers: int
    prefetch: int = 4
    on_damaged_image: str = 'raise'

    def __post_init__(self):
        if self.on_damaged_image not in ('raise', 'skip'):
            got = repr(self.on_damaged_image)
            raise ValueError(f"on_damaged_image must be 'raise' or 'skip', got {got}")


@dataclasses.dataclass(frozen=True)
class ExampleLoader:
    """Loads examples by position; a plain value, so that a worker can be sent it."""

    records: Records
    tokenizer: Tokenizer
    options: LoadOptions

    def train(self, position: int, rng: np.random.Generator) -> Example:
        """The study at `position`, augmented; the next whole one where its images are damaged."""
        vary = functools.partial(train_image, rng=rng, augment=self.options.train_augment, **self._sizes())
        for offset in range(len(self.records)):
            candidate = (position + offset) % len(self.records)
            example = self._load(candidate, vary)
            if example is not None:
                return example | {'damaged': np.int32(position if offset else NONE)}
        raise ValueError('every study has a damaged image')

    def evaluate(self, position: int) -> Example:
        """The study at `position`; a row that is not valid beyond the last or where damaged."""
        if position >= len(self.records):
            return self._empty(damaged=NONE)
        settle = functools.partial(eval_image, eval_transform=self.options.eval_transform, **self._sizes())
        example = self._load(position, settle)
        if example is None:
            return self._empty(damaged=position)
        return example | {'damaged': np.int32(NONE)}

    def _sizes(self) -> dict[str, int]:
        return {'image_size': self.options.image_size, 'resize_size': self.options.resize_size}

    def _load(self, position: int, transform: Transform) -> Example | None:
        """The example, or None where an image is damaged and such studies are skipped."""
        record = self.records[position]
        try:
            example = to_example(record, transform, self.tokenizer, self.options.max_seq_length)
        except DamagedImageError as error:
            if self.options.on_damaged_image == 'skip':
                return None
            raise DamagedImageError(
                f'study {record["id"]}: {error} (replace the file and remove '
                f"{self.records.prepared_dir}, or set on_damaged_image='skip')"
            ) from error
        return example | {'valid': np.True_, 'index': np.int32(position)}

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
        }


def to_example(
    record: dict[str, Any],
    transform: Transform,
    tokenizer: Tokenizer,
    max_seq_length: int,
) -> Example:
    """Makes arrays of one record (`sources.Records`); `transform` brings each view to its size in turn.

    Raises:
        DamagedImageError: an image cannot be decoded.
    """
    films = [open_grey(encoded, path) for encoded, path in zip(record['images'], record['image_paths'], strict=True)]
    # A builder of its own, and records of earlier versions, have no sizes.
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
