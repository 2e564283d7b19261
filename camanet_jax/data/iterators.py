"""Iterators over batches: threads or worker processes, a place to resume at, skipped studies."""

import logging
import sys
from collections.abc import Iterator
from typing import Any

import grain
import numpy as np
from absl import flags

from camanet_jax.data.examples import NONE
from camanet_jax.data.sources import Source

LOG = logging.getLogger(__name__)

Batch = dict[str, np.ndarray]  # pipeline.py


class BatchIterator(Iterator[Batch]):
    """Batches one after the other, from any place.

    The state is the number of batches given, so it can be restored with other numbers of workers
    or processes, and the batches that follow are bit-identical to an unbroken run's.
    """

    def __init__(self, batches: grain.MapDataset, source: Source, *, num_workers: int, prefetch: int):
        self._batches = batches
        self._source = source
        self._num_workers = num_workers
        self._prefetch = prefetch
        self._position = 0
        self._running: Any = None  # Grain's iterator, started by the first `next`
        self.skipped: set[str] = set()  # ids of the studies passed over so far

    def __next__(self) -> Batch:
        if self._running is None:
            self._running = iter(self._from_position())
        try:
            batch = next(self._running)
        except StopIteration:
            self.close()
            raise
        self._position += 1
        self._report_skipped(batch.pop('damaged'))
        return batch

    def get_state(self) -> dict[str, int]:
        """What `set_state` needs to go on after the batches given so far; fit for JSON."""
        return {'next_batch': self._position}

    def set_state(self, state: dict[str, int]) -> None:
        """Goes to the place that `get_state` described."""
        self.close()
        self._position = int(state['next_batch'])

    def close(self) -> None:
        """Ends the workers; the next `next` starts them again."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def _from_position(self) -> grain.IterDataset:
        threads = grain.ReadOptions(num_threads=self._prefetch, prefetch_buffer_size=self._prefetch)
        dataset = self._batches[self._position :].to_iter_dataset(threads)
        if self._num_workers == 0:
            return dataset
        if not flags.FLAGS.is_parsed():  # Grain's workers are told its flags
            flags.FLAGS(sys.argv[:1])
        # Through pipes: containers have little shared memory, and stopped iterators leak it.
        dataset = grain.experimental.WithOptionsIterDataset(
            dataset, grain.experimental.DatasetOptions(min_shm_size=sys.maxsize)
        )
        return dataset.mp_prefetch(
            grain.MultiprocessingOptions(num_workers=self._num_workers, per_worker_buffer_size=max(1, self._prefetch))
        )

    def _report_skipped(self, positions: np.ndarray) -> None:
        for position in positions[positions != NONE]:
            study = self._source.studies[position]
            if study.id not in self.skipped:
                self.skipped.add(study.id)
                LOG.warning(
                    'Skipped study %s: an image of %s cannot be decoded (%d skipped so far)',
                    study.id,
                    ', '.join(study.image_paths),
                    len(self.skipped),
                )


class EvalBatches:
    """A split's batches; every iteration over it starts anew."""

    def __init__(self, batches: grain.MapDataset, source: Source, *, num_workers: int, prefetch: int):
        self._batches = batches
        self._source = source
        self._options = {'num_workers': num_workers, 'prefetch': prefetch}

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> BatchIterator:
        return BatchIterator(self._batches, self._source, **self._options)
