"""TFDS builder of the synthetic chest films: drawn on first use, nothing is downloaded.

Besides the fields of every data set here (images, report, labels) a record holds the ground truth: `masks`,
one for each observation of a finding and each view that shows it, and `findings`, JSON facts (kind, side,
zone, size, observations, boxes in pixels by view).
"""

import concurrent.futures
import functools
import io
import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.run.progress import Progress
from camanet_jax.run.workers import end_with_parent, usable_cores
from camanet_jax.synthetic.studies import make_record

_CHUNK = 8  # studies sent to a process at a time
_FEW_STUDIES = 100  # drawn faster than another process starts
_SMALLEST_IMAGE = 32  # pixels; smaller films have no room for the anatomy


class SyntheticChest(tfds.core.GeneratorBasedBuilder):
    """Prepares synthetic studies of two views under `data_dir`, in a folder named after the arguments."""

    VERSION = tfds.core.Version('1.0.0')  # goes up with every change to what is drawn or written

    def __init__(
        self,
        *,
        data_dir: str | Path,
        seed: int = 0,
        image_size: int = 128,
        train_studies: int = 1200,
        val_studies: int = 150,
        test_studies: int = 300,
        plain: bool = False,
        processes: int | None = None,
    ):
        """Draws nothing yet.

        Args:
            data_dir: The folder of prepared data.
            seed: Seeds everything random; 0 or more.
            image_size: Side of the square films in pixels.
            train_studies: Number of studies in the train split; raising it leaves the first ones as they are.
            val_studies, test_studies: The same for the other splits; 0 leaves a split out.
            plain: Reports say the same thing always in the same words; the films stay as they are.
            processes: Number of processes that draw, by default one per available core.

        Raises:
            ValueError: a number is out of range.
        """
        counts = {'train': train_studies, 'val': val_studies, 'test': test_studies}
        _check_at_least('seed', seed, 0)
        _check_at_least('image_size', image_size, _SMALLEST_IMAGE)
        for split, count in counts.items():
            _check_at_least(f'{split}_studies', count, 0)
        self._seed, self._image_size, self._plain = seed, image_size, plain
        self._counts = {split: count for split, count in counts.items() if count}
        self._processes = processes or (usable_cores() if sum(counts.values()) > _FEW_STUDIES else 1)
        name = f'seed{seed}_{image_size}px_' + '-'.join(map(str, counts.values())) + '_plain' * plain
        super().__init__(data_dir=Path(data_dir) / name, file_format='array_record')

    def _info(self) -> tfds.core.DatasetInfo:
        grey = tfds.features.Image(shape=(self._image_size, self._image_size, 1))
        mask = {'view': np.int32, 'observation': np.int32, 'mask': grey}
        features = tfds.features.FeaturesDict(
            {
                'id': tfds.features.Text(),
                'report': tfds.features.Text(),
                'labels': tfds.features.Tensor(shape=(len(OBSERVATIONS),), dtype=np.int8),
                'images': tfds.features.Sequence(grey),  # frontal, lateral
                'image_paths': tfds.features.Sequence(tfds.features.Text()),
                'masks': tfds.features.Sequence(mask),
                'findings': tfds.features.Text(),
            }
        )
        # Unshuffled: a record's index is its study's.
        return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

    def download_and_prepare(self, **options: Any) -> None:
        """Draws the studies, with one progress bar over all of them."""
        progress = Progress('Drawing synthetic studies', sum(self._counts.values()))
        with _open_pool(self._processes) as self._pool, progress as self._progress:
            super().download_and_prepare(**options)

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        del dl_manager  # nothing is downloaded
        return {split: self._generate_examples(split) for split in self._counts}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        for index, record in enumerate(self._make_records(split)):
            self._progress.advance()
            yield index, _as_files(record)

    def _make_records(self, split: str) -> Iterator[dict[str, Any]]:
        count = self._counts[split]
        make = functools.partial(make_record, self._seed, split, image_size=self._image_size, plain=self._plain)
        if self._processes == 1:
            return map(make, range(count))
        return self._pool.map(make, range(count), chunksize=_CHUNK)


def open_synthetic(data_dir: Path, *, cache_dir: Path, **options: Any) -> SyntheticChest:
    """Opens the data set under `cache_dir`, with the signature of every builder that a configuration names."""
    del data_dir
    return SyntheticChest(data_dir=cache_dir, **options)


def _as_files(record: dict[str, Any]) -> dict[str, Any]:
    """Wraps encoded images as file objects, which TFDS stores as they are."""
    masks = [mask | {'mask': io.BytesIO(mask['mask'])} for mask in record['masks']]
    images = [io.BytesIO(image) for image in record['images']]
    return record | {'images': images, 'masks': masks, 'labels': np.array(record['labels'], np.int8)}


def _open_pool(processes: int) -> concurrent.futures.ProcessPoolExecutor:
    """A pool of fresh processes (a forked copy of a running JAX may hang), started with the first task."""
    fresh = multiprocessing.get_context('spawn')
    return concurrent.futures.ProcessPoolExecutor(processes, mp_context=fresh, initializer=end_with_parent)


def _check_at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f'the synthetic data set needs {name} of at least {least}, got {value}')
