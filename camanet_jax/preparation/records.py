"""From a study folder to its records, with an estimate of space and time beforehand and the speed afterwards."""

import dataclasses
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from camanet_jax.data.schema import summarise
from camanet_jax.data.sources import prepare
from camanet_jax.preparation.film_index import read_film
from camanet_jax.preparation.folder import require_space
from camanet_jax.preparation.study_folder import StudyFolder, is_written
from camanet_jax.run.workers import usable_cores

LOG = logging.getLogger(__name__)

MIMIC_IMAGES = 377_110  # of MIMIC-CXR-JPG, the largest set there is
_SAMPLED = 16  # images measured beforehand


@dataclasses.dataclass(frozen=True)
class Sample:
    """The cost of a few images, read and stored in memory on one core."""

    images: int
    seconds: float
    kept: int  # bytes

    @property
    def speed(self) -> float:
        """Images per second and core."""
        return self.images / max(self.seconds, 1e-9)


def write_records(
    output: Path, *, only_existing_images: bool = False, processes: int | None = None, **download_options: Any
) -> Path:
    """Writes the records of a study folder in `output`/tfds, where training looks for them, or resumes writing.

    Args:
      output: the study folder.
      only_existing_images: leave out studies whose films are missing.
      processes: shards written at a time, by default the available cores.
      **download_options: for `tfds.download.DownloadConfig`, such as a `beam_runner`.

    Returns:
      The folder of the records.

    Raises:
      ValueError: the folder has faults, or the disk has no room.
    """
    options = dict(only_existing_images=only_existing_images, labels_required=False, processes=processes)
    builder = StudyFolder(output, cache_dir=output / 'tfds', **options)
    if builder.data_path.exists():
        LOG.info('The records exist already: %s', builder.data_path)
        return Path(builder.data_path)
    left = [shard for path, shard in builder.shard_files().items() if not is_written(path, shard)]
    paths = [builder.images_dir / path for shard in left for study in shard.studies for path in study.image_paths]
    cores = processes or usable_cores()
    if paths:
        sample = measure(paths, builder.store)
        require_space(_need(paths, sample, builder.store), output, 'records')
        duration, facts = as_time(len(paths) / sample.speed / cores), (len(paths), builder.store, sample.speed)
        LOG.info('%d images, store %r: %.1f images/s per core; about %s on %d cores', *facts, duration, cores)
    start = time.monotonic()
    prepare(builder, **download_options)
    seconds = time.monotonic() - start
    LOG.info('Records written in %s: %s', as_time(seconds), builder.data_path)
    if damaged := list(builder.faults.values()):
        LOG.warning('%s', summarise(damaged, 'damaged film', 'damaged films'))
    if paths:
        speed = len(paths) / seconds
        mimic = f'all {MIMIC_IMAGES} images of MIMIC-CXR-JPG would take {as_time(MIMIC_IMAGES / speed)}'
        LOG.info('%.1f images/s, %.1f per core; at this speed %s on %d cores', speed, speed / cores, mimic, cores)
    return Path(builder.data_path)


def measure(paths: Sequence[Path], store: str) -> Sample:
    """Reads and stores a few evenly chosen images, as a shard's writer does."""
    chosen = paths[:: max(1, len(paths) // _SAMPLED)][:_SAMPLED]
    start = time.perf_counter()
    kept = sum(len(read_film(path.parent, path.name, store)[0]) for path in chosen)
    return Sample(len(chosen), time.perf_counter() - start, kept)


def _need(paths: Sequence[Path], sample: Sample, store: str) -> int:
    """The bytes of all images as stored: counted for originals, else estimated from the sample."""
    if store == 'original':
        return sum(path.stat().st_size for path in paths)
    return round(len(paths) * sample.kept / sample.images)


def as_time(seconds: float) -> str:
    """A duration in words: '45 s', '12 min', '3 h 20 min'."""
    if seconds < 100:
        return f'{seconds:.0f} s'
    minutes = round(seconds / 60)
    return f'{minutes} min' if minutes < 60 else f'{minutes // 60} h {minutes % 60} min'
