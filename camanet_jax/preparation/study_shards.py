"""Studies as TFDS records, cut into shards that are written side by side and survive a kill.

A shard is a run of consecutive studies of a split. It appears under its name only when whole, so a preparation that was
stopped, by whatever, goes on with the shards that are not there.
"""

import concurrent.futures
import dataclasses
import io
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter

from camanet_jax.data.image_store import stored_bytes
from camanet_jax.data.schema import OBSERVATIONS, UNLABELLED, Study
from camanet_jax.run.progress import Progress

_STUDIES_PER_SHARD = 32  # the most that a kill costs each thread
_MOST_SHARDS = 256  # of a split: readers keep every shard's file open


def study_features() -> tfds.features.FeaturesDict:
    """What a record of a study holds."""
    return tfds.features.FeaturesDict(
        {
            'id': tfds.features.Text(),
            'report': tfds.features.Text(),
            'labels': tfds.features.Tensor(shape=(len(OBSERVATIONS),), dtype=np.int8),
            'images': tfds.features.Sequence(tfds.features.Image(shape=(None, None, None))),  # in view order
            'image_paths': tfds.features.Sequence(tfds.features.Text()),
        }
    )


@dataclasses.dataclass(frozen=True)
class StudyShard:
    """Consecutive studies of a split; called, it yields their examples, as TFDS's shard builders ask."""

    split: str
    first: int  # position of the first study in its split
    studies: tuple[Study, ...]
    images_dir: Path
    store: str

    def __call__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, study in enumerate(self.studies, self.first):
            yield number, self._example(study)

    def _example(self, study: Study) -> dict[str, Any]:
        images = [stored_bytes((self.images_dir / path).read_bytes(), path, self.store) for path in study.image_paths]
        labels = study.labels or (UNLABELLED,) * len(OBSERVATIONS)
        return {
            'id': study.id,
            'report': study.report,
            'labels': np.array(labels, np.int8),
            'images': [io.BytesIO(image) for image in images],
            'image_paths': list(study.image_paths),
        }


def cut_into_shards(studies: Sequence[Study], images_dir: Path, store: str) -> dict[str, list[StudyShard]]:
    """The shards of every split that has studies, in the studies' order; the same studies give the same shards."""
    shards = {}
    for split in dict.fromkeys(study.split for study in studies):
        members = [study for study in studies if study.split == split]
        size = max(_STUDIES_PER_SHARD, -(-len(members) // _MOST_SHARDS))
        shards[split] = [
            StudyShard(split, first, tuple(members[first : first + size]), images_dir, store)
            for first in range(0, len(members), size)
        ]
    return shards


def write_shards(places: dict[Path, StudyShard], processes: int | None = None) -> None:
    """Writes every shard that is not in its place yet, one per core at a time.

    Threads serve: reading, decoding, resizing and encoding films leave the interpreter free.

    Args:
      places: the file of each shard.
      processes: shards written at a time, by default the available cores.
    """
    missing = {path: shard for path, shard in places.items() if not path.exists()}
    total, left = (sum(len(shard.studies) for shard in some.values()) for some in (places, missing))
    threads = processes or len(os.sched_getaffinity(0))
    lock = threading.Lock()
    with Progress('Preparing studies', total, total - left) as progress:

        def advance() -> None:
            with lock:
                progress.advance()

        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            writing = [pool.submit(_write_shard, path, shard, advance) for path, shard in missing.items()]
            try:
                for shard in concurrent.futures.as_completed(writing):
                    shard.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def _write_shard(path: Path, shard: StudyShard, advance: Callable[[], None]) -> None:
    features = study_features()
    unfinished = path.with_name(f'unfinished.{path.name}')
    writer = ArrayRecordWriter(str(unfinished), 'group_size:1')
    for _, example in shard():
        writer.write(features.serialize_example(example))
        advance()
    writer.close()
    os.replace(unfinished, path)
