"""The input pipeline alone: images per second by number of loading workers, and whether a device would wait for it.

python scripts/benchmark.py input --config=configs/demo.py --step_seconds=0.05
"""

import time
from typing import Any

from camanet_jax.experiment import Experiment, build_tokenizer, open_split
from camanet_jax.lab.benchmarks.workload import Workload
from camanet_jax.run.workers import usable_cores

NOTES = (
    'Batches as training reads them: decoded, augmented, tokenised and batched, all cores of this machine free for it.',
    'A device that needs less time than shortest_step for a step of this batch would wait for its input.',
)


def run(
    workload: Workload, repeats: int, workers: tuple[int, ...] = (), step_seconds: float | None = None
) -> dict[str, Any]:
    """Reads training batches of the configured data set, prepared on first use.

    Args:
      workload: whose configured data set is read.
      repeats: batches timed per worker.
      workers: numbers of loading processes to try; by default 0 (threads of this one), 1, 2, 4, ... up to the cores.
      step_seconds: what a training step takes on the device to be fed, from the `train` benchmark.
    """
    config = workload.config
    source = open_split(config, 'train')
    tokenizer = build_tokenizer(config, source)
    powers = (2**i for i in range(usable_cores().bit_length()))
    rows = []
    for number in workers or (0, *powers):
        changed = config.copy_and_resolve_references()
        changed.data.num_workers = number
        seconds = seconds_per_batch(Experiment(changed, tokenizer), source, number, repeats)
        row = {
            'workers': number,
            'images_per_second': config.batch_size * workload.views / seconds,
            'studies_per_second': config.batch_size / seconds,
            'shortest_step_seconds': seconds,
        }
        if step_seconds is not None:
            row |= {'starves': seconds > step_seconds, 'device_share_busy': min(1.0, step_seconds / seconds)}
        rows.append(row)
    return {
        'workload': {
            'studies': config.batch_size,
            'views': workload.views,
            'image_size': config.data.image_size,
            'data': config.data.name,
            'training_studies': len(source),
            'cores': usable_cores(),
        },
        'workers': rows,
        'notes': list(NOTES),
    }


def seconds_per_batch(experiment: Experiment, source, workers: int, repeats: int) -> float:
    """Seconds of one of `repeats` batches for each worker, after those that were made ahead while workers started."""
    data, together = experiment.config.data, max(1, workers)
    batches = experiment.train_batches(source)
    for _ in range(data.prefetch * together):
        next(batches)
    began = time.perf_counter()
    for _ in range(repeats * together):
        next(batches)
    seconds = (time.perf_counter() - began) / (repeats * together)
    batches.close()
    return seconds
