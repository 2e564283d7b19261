"""Grain pipelines: a source's studies shuffled, loaded, batched and shared among processes.

A batch is a dict of NumPy arrays of fixed shape:
    images      uint8   [B, I, height, width]  one grey channel, normalised on the device
    tokens      int32   [B, L+1]               [0] + word ids + [0], cut, padded with 0
    token_mask  float32 [B, L+1]               1 where an id is present, the two zeros included
    labels      float32 [B, Y]                 0 or 1; NaN throughout where a study is unlabelled
    valid       bool    [B]                    False on rows without a study (evaluation)
    index       int32   [B]                    the study's position in the source; -1 for none
    extras      dict    [B, ...]               arrays by name, where `data.extras` makes any
where L+1 = max_seq_length. A process gets its share of B: the global batch is the processes' rows one after
the other, and is the same for any number of processes and of workers.
"""

import atexit
import dataclasses
import logging
import multiprocessing
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from typing import Any, NoReturn

import grain
import numpy as np
from absl import flags

from camanet_jax.data.examples import NONE, ExampleLoader, LoadOptions
from camanet_jax.data.sources import Source
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.run import workers

LOG = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 0.5  # at the loading processes, while a batch is awaited
_SECONDS_OF_GRACE = 10.0  # for a batch, and for the workers' end, once the run is to stop
_ENDLESS_EPOCHS = 2**20  # Grain's own infinite repeat overflows with a batch of one
Batch = dict[str, Any]


class BatchIterator(Iterator[Batch]):
    """Batches one after the other, from any position.

    The state is the number of batches given, so that it can be restored with other numbers of workers or processes,
    and the batches that follow are bit-identical to those of an unbroken run.
    """

    def __init__(self, batches: grain.MapDataset, source: Source, options: LoadOptions):
        self._batches, self._source = batches, source
        self._num_workers, self._prefetch = options.num_workers, options.prefetch
        self._position = 0
        self._running: Any = None  # Grain's iterator, started by the first `next`
        self.skipped: set[str] = set()  # ids of the studies skipped so far
        self.stopping: Callable[[], bool] = lambda: False  # tells whether the run is to stop
        self._others: set[multiprocessing.Process] = set()  # processes that are not of this iterator
        self._workers: set[multiprocessing.Process] = set()

    def __next__(self) -> Batch:
        if self._running is None:
            self._others = set(multiprocessing.active_children())
            if self._num_workers:
                resource_tracker.ensure_running()  # started with the first worker, it would let signals through again
            with workers.out_of_reach():
                self._running = iter(self._from_position())
        try:
            batch = self._await_batch()
        except StopIteration:
            self.close()
            raise
        self._workers = self._started()
        self._position += 1
        self._report_skipped(batch.pop('damaged'))
        return batch

    def _await_batch(self) -> Batch:
        """The next batch, from a thread: Grain waits for ever for a process that was killed while it was writing."""
        fetched: queue.SimpleQueue[tuple[Batch | None, BaseException | None]] = queue.SimpleQueue()

        def fetch(running: Iterator[Batch]) -> None:
            try:
                with workers.out_of_reach():
                    fetched.put((next(running), None))
            except BaseException as error:  # handed to the waiting thread
                fetched.put((None, error))

        threading.Thread(target=fetch, args=(self._running,), daemon=True).start()
        say_by, stop_by = time.monotonic() + workers.SECONDS_UNTIL_SAID, float('inf')
        while True:
            try:
                batch, error = fetched.get(timeout=_SECONDS_BETWEEN_LOOKS)
                break
            except queue.Empty:
                if time.monotonic() > say_by:
                    LOG.warning(workers.STALLED, 'batch', workers.SECONDS_UNTIL_SAID)
                    say_by = float('inf')
                stop_by = min(stop_by, time.monotonic() + _SECONDS_OF_GRACE) if self.stopping() else float('inf')
                self._check_workers(time.monotonic() > stop_by)
        if isinstance(error, RuntimeError) and 'Worker process was terminated' in str(error):
            self._abandon(str(error))
        if error is not None:
            raise error
        return batch

    def _check_workers(self, stalled: bool) -> None:
        if dead := [worker.exitcode for worker in self._started() if worker.exitcode]:
            self._abandon(f'A loading process was killed (exit code {dead[0]})')
        if stalled:
            self._abandon('No batch came; the file system may be stalled')

    def _abandon(self, reason: str) -> NoReturn:
        """Leaves Grain's threads to wait: closing would wait with them."""
        self._kill_workers()
        self._running, self._workers = None, set()
        raise workers.WorkerDied(
            f'{reason}. Linux kills processes where memory runs out (dmesg tells); then lower '
            '--config.data.num_workers or --config.data.prefetch. The same command resumes the run.'
        )

    def _kill_workers(self) -> None:
        for worker in self._started():
            worker.kill()

    def _started(self) -> set[multiprocessing.Process]:
        return self._workers or (set(multiprocessing.active_children()) - self._others if self._running else set())

    def get_state(self) -> dict[str, int]:
        """The state, as JSON, from which `set_state` resumes after the batches given so far."""
        return {'next_batch': self._position}

    def set_state(self, state: dict[str, int]) -> None:
        """Resumes at the position that `get_state` returned."""
        self.close()
        self._position = int(state['next_batch'])

    def close(self) -> None:
        """Ends the workers; the next `next` starts them again."""
        if self._running is not None:
            closing = threading.Thread(target=self._running.close, daemon=True)
            closing.start()
            closing.join(_SECONDS_OF_GRACE)
            if closing.is_alive():  # for workers that are stopped, or wait for a file, one after the other
                self._kill_workers()
            self._running, self._workers = None, set()

    def _from_position(self) -> grain.IterDataset:
        threads = grain.ReadOptions(num_threads=self._prefetch, prefetch_buffer_size=self._prefetch)
        dataset = self._batches[self._position :].to_iter_dataset(threads)
        if self._num_workers == 0:
            return dataset
        if not flags.FLAGS.is_parsed():  # Grain passes its flags on to its workers
            flags.FLAGS(sys.argv[:1])
        # Through pipes: containers have little shared memory, and stopped iterators leak it.
        pipes = grain.experimental.DatasetOptions(min_shm_size=sys.maxsize)
        processes = grain.MultiprocessingOptions(self._num_workers, per_worker_buffer_size=max(1, self._prefetch))
        atexit.register(self._kill_workers)  # they ignore the SIGTERM by which Python would end them
        return grain.experimental.WithOptionsIterDataset(dataset, pipes).mp_prefetch(processes, workers.begin)

    def _report_skipped(self, positions: np.ndarray) -> None:
        for position in positions[positions != NONE]:
            study = self._source.studies[position]
            if study.id not in self.skipped:
                self.skipped.add(study.id)
                paths, so_far = ', '.join(study.image_paths), len(self.skipped)
                LOG.warning('Skipped study %s: an image of %s cannot be decoded (%d so far)', study.id, paths, so_far)


class EvalBatches:
    """A split's batches; every iteration over it starts anew, in threads: processes take seconds to start."""

    def __init__(self, batches: grain.MapDataset, source: Source, options: LoadOptions):
        self._batches, self._source = batches, source
        threads = max(options.prefetch, options.num_workers)
        self._options = dataclasses.replace(options, num_workers=0, prefetch=threads)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> BatchIterator:
        return BatchIterator(self._batches, self._source, self._options)


def train_batches(
    source: Source,
    tokenizer: Tokenizer,
    options: LoadOptions,
    *,
    batch_size: int,
    seed: int,
    process_index: int = 0,
    process_count: int = 1,
) -> BatchIterator:
    """Endless training batches: a new order in every epoch, without its incomplete last batch.

    Args:
      source: the train split.
      tokenizer: made from the train split's reports.
      options: see `LoadOptions`.
      batch_size: studies in the global batch.
      seed: determines the order of every epoch and all augmentation.
      process_index: the index of this process among the `process_count` that share each batch.
    """
    share = _share(batch_size, process_index, process_count)
    steps = steps_per_epoch(source, batch_size)
    order = grain.MapDataset.range(len(source)).seed(seed).shuffle()[: steps * batch_size]
    order = order.repeat(_ENDLESS_EPOCHS)
    # Randomness depends on the position in the endless order, not on the process or worker that loads it.
    examples = order.random_map(ExampleLoader(source.records, tokenizer, options).train)
    batches = examples.batch(share)[process_index::process_count]
    return BatchIterator(batches, source, options)


def eval_batches(
    source: Source,
    tokenizer: Tokenizer,
    options: LoadOptions,
    *,
    batch_size: int,
    process_index: int = 0,
    process_count: int = 1,
) -> EvalBatches:
    """The studies once, in order; invalid rows fill the last batch. The arguments are those of `train_batches`."""
    share = _share(batch_size, process_index, process_count)
    steps = -(-len(source) // batch_size)
    examples = grain.MapDataset.range(steps * batch_size)
    examples = examples.map(ExampleLoader(source.records, tokenizer, options).evaluate)
    batches = examples.batch(share)[process_index::process_count]
    return EvalBatches(batches, source, options)


def steps_per_epoch(source: Source, batch_size: int) -> int:
    """Whole batches in one pass over the training studies."""
    if batch_size > len(source):
        raise ValueError(f'batch_size {batch_size} exceeds the {len(source)} training studies')
    return len(source) // batch_size


def _share(batch_size: int, process_index: int, process_count: int) -> int:
    if batch_size < 1 or batch_size % process_count:
        raise ValueError(f'batch_size must be a multiple of the {process_count} processes, got {batch_size}')
    if not 0 <= process_index < process_count:
        raise ValueError(f'expected 0 <= process_index < {process_count}, got {process_index}')
    return batch_size // process_count
