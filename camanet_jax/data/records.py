"""Prepared records by position, as plain Python values; what a loading worker is sent."""

import functools
from collections.abc import Sequence
from typing import Any

import tensorflow_datasets as tfds

from camanet_jax.data.schema import UNLABELLED, Study


class Records(Sequence):
    """The records of one split in the order they were prepared in; images stay encoded.

    A record is a dict: `id` and `report` (str), `labels` int8 [Y] (-1 where an observation is not
    to be counted, throughout where the study is unlabelled), `images` (I encoded files),
    `image_paths` (I names), and what its builder adds.
    Pickled, it is a path: every worker opens the files itself.
    """

    def __init__(self, prepared_dir: str, split: str, views: int):
        self.prepared_dir = prepared_dir
        self._split = split
        self.views = views

    def __len__(self) -> int:
        return len(self._opened)

    def __getitem__(self, index: int) -> dict[str, Any]:
        record = self._opened[index]
        paths = [path.decode() for path in record['image_paths']]
        return record | {
            'id': record['id'].decode(),
            'report': record['report'].decode(),
            'images': list(record['images'])[: self.views],
            'image_paths': paths[: self.views],
        }

    def read_studies(self) -> list[Study]:
        """Reads every record for what is not an image."""
        return [self._study(self._opened[index]) for index in range(len(self))]

    def _study(self, record: dict[str, Any]) -> Study:
        labels = tuple(int(value) for value in record['labels'])
        return Study(
            id=record['id'].decode(),
            split=self._split,
            report=record['report'].decode(),
            labels=None if set(labels) == {UNLABELLED} else labels,
            image_paths=tuple(path.decode() for path in record['image_paths']),
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != '_opened'}

    @functools.cached_property
    def _opened(self) -> Sequence[dict[str, Any]]:
        builder = tfds.builder_from_directory(self.prepared_dir)
        decoders = _keep_images_encoded(builder.info.features)
        return builder.as_data_source(self._split, decoders=decoders)


class _KeepEncoded(tfds.decode.SkipDecoding):
    """SkipDecoding for images inside a Sequence too, which TFDS's own leaves to TensorFlow."""

    def decode_batch_example_np(self, serialized_example: Any) -> Any:
        return serialized_example


def _keep_images_encoded(feature: tfds.features.FeatureConnector) -> Any:
    """Decoders, nested like the features, that leave every image as the bytes of its file."""
    if isinstance(feature, tfds.features.Sequence):
        return _keep_images_encoded(feature.feature)
    if isinstance(feature, tfds.features.FeaturesDict):
        decoders = {name: _keep_images_encoded(inner) for name, inner in feature.items()}
        return {name: decoder for name, decoder in decoders.items() if decoder is not None}
    return _KeepEncoded() if isinstance(feature, tfds.features.Image) else None
