"""TFDS builder for a folder in the community's layout (schema.py): IU X-Ray, MIMIC-CXR, own data.

Images are stored as the bytes of their files, never encoded again, unless the folder's `dataset.json` names another
store (data/image_store.py).

Records are written in shards, several at a time. A shard is a run of consecutive studies of a split. It appears under
its name only when whole, so a preparation that was stopped resumes with the shards that are missing.
"""

import concurrent.futures
import dataclasses
import hashlib
import io
import itertools
import json
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter

from camanet_jax.data.schema import OBSERVATIONS, UNLABELLED, Study, read_annotation, summarise
from camanet_jax.preparation.film_index import FILMS, content_digest, faults, read_film, unchanged
from camanet_jax.preparation.folder import read_store
from camanet_jax.run.cores import usable_cores
from camanet_jax.run.files import read_json_lines, replacing, write_json_lines
from camanet_jax.run.progress import Progress

LOG = logging.getLogger(__name__)

_STUDIES_PER_SHARD = 32  # the most that a kill costs each thread
_MOST_SHARDS = 256  # of a split: readers keep every shard's file open


def study_features() -> tfds.features.FeaturesDict:
    """The fields of a study's record."""
    return tfds.features.FeaturesDict(
        {
            'id': tfds.features.Text(),
            'report': tfds.features.Text(),
            'labels': tfds.features.Tensor(shape=(len(OBSERVATIONS),), dtype=np.int8),
            'images': tfds.features.Sequence(tfds.features.Image(shape=(None, None, None))),  # in view order
            'image_paths': tfds.features.Sequence(tfds.features.Text()),
            'original_sizes': tfds.features.Tensor(shape=(None, 2), dtype=np.int32),  # 0, 0: as the image's own
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
            yield number, self.example(study)[0]

    def example(self, study: Study) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """A study's record, and its films' lines of the index."""
        films = [read_film(self.images_dir, path, self.store) for path in study.image_paths]
        labels = study.labels or (UNLABELLED,) * len(OBSERVATIONS)
        sizes = [size or (0, 0) for size in study.original_sizes or [None] * len(films)]
        record = {
            'id': study.id,
            'report': study.report,
            'labels': np.array(labels, np.int8),
            'images': [io.BytesIO(kept) for kept, _ in films],
            'image_paths': list(study.image_paths),
            'original_sizes': np.array(sizes, np.int32),
        }
        return record, [line for _, line in films]


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
    missing = {path: shard for path, shard in places.items() if not is_written(path, shard)}
    total, left = (sum(len(shard.studies) for shard in some.values()) for some in (places, missing))
    threads = processes or usable_cores()
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
    features, films = study_features(), []
    with replacing(path) as temporary:
        writer = ArrayRecordWriter(str(temporary), 'group_size:1')
        for study in shard.studies:
            record, of_study = shard.example(study)
            writer.write(features.serialize_example(record))
            films += of_study
            advance()
        writer.close()
        write_json_lines(index_of(path), films)


def index_of(path: Path) -> Path:
    """Where a shard's films are named until all shards are there."""
    return path.with_name(f'{path.name}.{FILMS}')


def is_written(path: Path, shard: StudyShard) -> bool:
    """Tells whether a stopped run has written the shard, of films that have not changed since."""
    return path.exists() and index_of(path).exists() and unchanged(index_of(path), shard.images_dir)


class StudyFolder(tfds.core.ShardBasedBuilder):
    """Prepares a study folder under `cache_dir`, keyed by what its annotation says."""

    VERSION = tfds.core.Version('1.0.0')

    def __init__(
        self,
        folder: str | Path,
        *,
        cache_dir: str | Path,
        only_existing_images: bool = False,
        labels_required: bool = True,
        processes: int | None = None,
    ):
        """Reads and checks the annotation; nothing is written yet.

        Args:
            folder: Holds annotation.json, labels.json and images/.
            cache_dir: Where prepared data go; of changed annotations or films to a new place in it.
            only_existing_images: Leave out, and log, the studies whose image files are absent.
            labels_required: Refuse a folder without labels.json.
            processes: Shards written at a time, by default the available cores.

        Raises:
            ValueError: the annotation has problems, labels are missing, or image files are.
        """
        self.images_dir = Path(folder) / 'images'
        self.store = read_store(folder)
        self._processes = processes
        self.studies = self.read_studies(Path(folder))
        if labels_required and self.studies and self.studies[0].labels is None:
            raise ValueError(
                f'{folder}: labels.json is missing; the classifier learns from it '
                '(set labels_required=False to evaluate, or train Base, without)'
            )
        if only_existing_images:
            self.studies = self._with_images(self.studies)
        place = self._current_place(Path(cache_dir) / _fingerprint(self.studies, self.store))
        super().__init__(data_dir=place, file_format='array_record')
        if not self.data_path.exists():
            self._check_images_exist()

    def _current_place(self, first: Path) -> Path:
        """The place of records that were made of the films as they are now, else a free one."""
        places = itertools.chain([first], (first.with_name(f'{first.name}-{n}') for n in itertools.count(2)))
        for place in places:
            finished = [info.parent for info in place.glob('*/[0-9]*/dataset_info.json')]
            if not finished or all((at / FILMS).exists() and unchanged(at / FILMS, self.images_dir) for at in finished):
                return place
            LOG.warning('%s have changed since the records in %s were made, which are not used', self.images_dir, place)

    @property
    def content(self) -> str:
        """Stands for everything that the records were made of; for where they are prepared."""
        return f'{_fingerprint(self.studies, self.store)}-{content_digest(Path(self.data_path) / FILMS)}'

    @property
    def faults(self) -> dict[str, str]:
        """Why films cannot be decoded, by film; for where they are prepared."""
        return faults(Path(self.data_path) / FILMS)

    def read_studies(self, folder: Path) -> list[Study]:
        """The studies of a folder; a data set with another annotation replaces this."""
        return read_annotation(folder)

    @property
    def shards_dir(self) -> Path:
        """Where finished shards wait until all are there."""
        return Path(self.data_path.parent) / 'shards'

    def shard_places(self) -> dict[Path, StudyShard]:
        """The file that each shard is written to, or was by a run that ended before all were."""
        shards = cut_into_shards(self.studies, self.images_dir, self.store)
        return {self.shards_dir / name: shard for name, shard in self._named(shards)}

    def _info(self) -> tfds.core.DatasetInfo:
        # Unshuffled: a record's index is the study's place in its split of the annotation.
        return tfds.core.DatasetInfo(
            builder=self,
            features=study_features(),
            metadata=tfds.core.MetadataDict(store=self.store),
            disable_shuffling=True,
        )

    def download_and_prepare(self, **options: Any) -> None:
        """Copies the studies' films into records, all cores at work; finished shards of a stopped run are kept."""
        super().download_and_prepare(**options)
        shutil.rmtree(self.shards_dir, ignore_errors=True)

    def _shard_iterators_per_split(self, dl_manager: Any) -> dict[str, list[StudyShard]]:
        del dl_manager  # nothing is downloaded
        return cut_into_shards(self.studies, self.images_dir, self.store)

    def _download_and_prepare(self, dl_manager: Any, download_config: Any) -> None:
        """TFDS's own way with a Beam runner; else threads, into a folder that outlives a kill."""
        if download_config.beam_runner or download_config.beam_options:
            super()._download_and_prepare(dl_manager, download_config)
            films = dict.fromkeys(path for study in self.studies for path in study.image_paths)
            write_json_lines(
                Path(self.data_path) / FILMS, (read_film(self.images_dir, film, self.store)[1] for film in films)
            )
            return
        self.shards_dir.mkdir(exist_ok=True)
        places = self.shard_places()
        write_shards(places, self._processes)
        for path in places:
            _place(path, Path(self.data_path) / path.name)
        films = itertools.chain.from_iterable(read_json_lines(index_of(path)) for path in places)
        write_json_lines(Path(self.data_path) / FILMS, films)
        shards = self._shard_iterators_per_split(dl_manager)
        self.info.set_splits(tfds.core.SplitDict([self._split_info(split, shards[split]) for split in shards]))

    def _named(self, shards: dict[str, list[StudyShard]]) -> Iterator[tuple[str, StudyShard]]:
        """The shards with TFDS's names of their files."""
        for split, of_split in shards.items():
            template = self._get_filename_template(split)
            for number, shard in enumerate(of_split):
                path = template.sharded_filepath(shard_index=number, num_shards=len(of_split))
                yield path.name, shard

    def _split_info(self, split: str, shards: list[StudyShard]) -> tfds.core.SplitInfo:
        paths = [Path(self.data_path) / name for name, _ in self._named({split: shards})]
        return tfds.core.SplitInfo(
            name=split,
            shard_lengths=[len(shard.studies) for shard in shards],
            num_bytes=sum(path.stat().st_size for path in paths),
            filename_template=self._get_filename_template(split),
        )

    def _missing_images(self, study: Study) -> list[str]:
        paths = [self.images_dir / path for path in study.image_paths]
        return [str(path) for path in paths if not path.is_file()]

    def _with_images(self, studies: Sequence[Study]) -> list[Study]:
        kept = [study for study in studies if not self._missing_images(study)]
        if not kept:
            raise ValueError(f'{self.images_dir}: no study has all its image files')
        if dropped := len(studies) - len(kept):
            LOG.warning(
                'Left out %d of %d studies whose image files are not in %s',
                dropped,
                len(studies),
                self.images_dir,
            )
        return kept

    def _check_images_exist(self) -> None:
        missing = [path for study in self.studies for path in self._missing_images(study)]
        if missing:
            raise ValueError(
                f'{summarise(missing, "image file is missing", "image files are missing")} '
                '(set only_existing_images=True to leave such studies out)'
            )


def _place(shard: Path, target: Path) -> None:
    """Gives a finished shard its second name, so that a kill before the end of all leaves the first."""
    try:
        os.link(shard, target)
    except OSError:  # a file system without hard links
        os.replace(shard, target)


def _fingerprint(studies: Sequence[Study], store: str) -> str:
    # Without sizes a study says what it said before it could have them: what was prepared then is found.
    content = json.dumps(
        [dataclasses.astuple(study)[: -1 if study.original_sizes is None else None] for study in studies]
    )
    if store != 'original':
        content += store
    return hashlib.sha256(content.encode()).hexdigest()[:16]
