"""TFDS builder for a folder in the community's layout (schema.py): IU X-Ray, MIMIC-CXR, own data.

Images are stored as the bytes of their files, never encoded again, unless the folder's `dataset.json` names another
store (data/image_store.py).

Records are written in shards of consecutive studies of a split, several at a time. A shard gets its name only when it
is complete, so that a preparation that was stopped resumes with the missing shards.
"""

import concurrent.futures
import dataclasses
import functools
import hashlib
import io
import itertools
import json
import logging
import os
import shutil
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter

from camanet_jax.data.schema import DETAILS, OBSERVATIONS, UNLABELLED, Study, read_annotation, summarise
from camanet_jax.data.sources import reading_records
from camanet_jax.preparation.film_index import FILMS, content_digest, faults, read_film, unchanged
from camanet_jax.preparation.folder import read_facts, read_store
from camanet_jax.preparation.sections import with_section
from camanet_jax.run.files import read_json_lines, replacing, write_json_lines
from camanet_jax.run.progress import Progress
from camanet_jax.run.workers import usable_cores

LOG = logging.getLogger(__name__)

_STUDIES_PER_SHARD = 32  # the most that each thread loses when it is killed
_MOST_SHARDS = 256  # of a split, since readers keep every shard's file open


def study_features(details: Collection[str] = ()) -> tfds.features.FeaturesDict:
    """The fields of a study's record; `details` are those of `schema.DETAILS` that some study has."""
    text = tfds.features.Text()
    return tfds.features.FeaturesDict(
        {
            'id': tfds.features.Text(),
            'report': tfds.features.Text(),
            'labels': tfds.features.Tensor(shape=(len(OBSERVATIONS),), dtype=np.int8),
            'images': tfds.features.Sequence(tfds.features.Image(shape=(None, None, None))),  # in view order
            'image_paths': tfds.features.Sequence(tfds.features.Text()),
            'original_sizes': tfds.features.Tensor(shape=(None, 2), dtype=np.int32),  # 0, 0: the image's own size
            **{name: tfds.features.Sequence(text) if name == 'view' else text for name in details},
        }
    )


@dataclasses.dataclass(frozen=True)
class StudyShard:
    """Consecutive studies of a split; calling it yields their examples, which is TFDS's interface of a shard."""

    split: str
    first: int  # the first study's position in its split
    studies: tuple[Study, ...]
    images_dir: Path
    store: str
    details: tuple[str, ...] = ()  # of every record

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
            **{name: study.details.get(name, [''] * len(films) if name == 'view' else '') for name in self.details},
        }
        return record, [line for _, line in films]


def cut_into_shards(studies: Sequence[Study], images_dir: Path, store: str) -> dict[str, list[StudyShard]]:
    """The shards of every split that has studies, in the studies' order; the same studies give the same shards."""
    shards, details = {}, details_of(studies)
    for split in dict.fromkeys(study.split for study in studies):
        members = [study for study in studies if study.split == split]
        size = max(_STUDIES_PER_SHARD, -(-len(members) // _MOST_SHARDS))
        shards[split] = [
            StudyShard(split, first, tuple(members[first : first + size]), images_dir, store, details)
            for first in range(0, len(members), size)
        ]
    return shards


def details_of(studies: Sequence[Study]) -> tuple[str, ...]:
    """The details that some study has."""
    return tuple(name for name in DETAILS if any(name in study.details for study in studies))


def write_shards(files: dict[Path, StudyShard], processes: int | None = None) -> None:
    """Writes every shard whose file is missing, several at a time, by default one per available core.

    Threads suffice, since reading, decoding, resizing and encoding films release the interpreter lock.
    """
    missing = {path: shard for path, shard in files.items() if not is_written(path, shard)}
    total, left = (sum(len(shard.studies) for shard in shards.values()) for shards in (files, missing))
    lock = threading.Lock()
    with Progress('Preparing studies', total, total - left) as progress:

        def advance() -> None:
            with lock:
                progress.advance()

        with concurrent.futures.ThreadPoolExecutor(processes or usable_cores()) as pool:
            writing = [pool.submit(_write_shard, path, shard, advance) for path, shard in missing.items()]
            try:
                for shard in concurrent.futures.as_completed(writing):
                    shard.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def _write_shard(path: Path, shard: StudyShard, advance: Callable[[], None]) -> None:
    features, films = study_features(shard.details), []
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
    """The file that names a shard's films until all shards are there."""
    return path.with_name(f'{path.name}.{FILMS}')


def is_written(path: Path, shard: StudyShard) -> bool:
    """Tells whether a stopped run has written the shard, of films that have not changed since."""
    return path.exists() and index_of(path).exists() and unchanged(index_of(path), shard.images_dir)


class StudyFolder(tfds.core.ShardBasedBuilder):
    """Prepares a study folder under `cache_dir`, in a folder named after a digest of its annotation."""

    VERSION = tfds.core.Version('1.0.0')

    def __init__(
        self,
        folder: str | Path,
        *,
        cache_dir: str | Path,
        only_existing_images: bool = False,
        labels_required: bool = True,
        section: str = '',
        processes: int | None = None,
    ):
        """Reads and checks the annotation; nothing is written yet.

        Args:
            folder: The folder with annotation.json, labels.json and images/.
            cache_dir: The folder of prepared data; a changed annotation, or changed films, get a new one in it.
            only_existing_images: Leave out, and log, studies whose image files are missing.
            labels_required: Refuse a folder without labels.json.
            section: Of `sections.SECTIONS`: the target in place of the report; '' is the report.
            processes: Shards written at a time, by default the available cores.

        Raises:
            ValueError: the annotation has faults, or labels or image files are missing.
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
        if section:
            self.studies = with_section(self.studies, section, folder)
        self.section = section or read_facts(folder).get('section', '')
        if only_existing_images:
            self.studies = self._with_images(self.studies)
        self._annotation = _digest(self.studies, self.store)
        folder = self._current_folder(Path(cache_dir) / self._annotation)
        with reading_records(folder):
            super().__init__(data_dir=folder, file_format='array_record')
        if not self.data_path.exists():
            self._check_images_exist()

    def _current_folder(self, first: Path) -> Path:
        """The folder of records that were made from the films as they are now, else a free one."""
        others = (first.with_name(f'{first.name}-{n}') for n in itertools.count(2))
        for folder in itertools.chain([first], others):
            films = [info.with_name(FILMS) for info in folder.glob('*/[0-9]*/dataset_info.json')]
            if all(index.exists() and unchanged(index, self.images_dir) for index in films):
                return folder
            LOG.warning('The films in %s have changed since the records in %s were made', self.images_dir, folder)

    @property
    def content(self) -> str:
        """A digest of everything that the records were made from."""
        return f'{self._annotation}-{content_digest(self._films)}'

    @property
    def faults(self) -> dict[str, str]:
        """The reasons why films cannot be decoded, by film."""
        return faults(self._films)

    @functools.cached_property
    def _films(self) -> list[dict[str, Any]]:
        """The index of the films that the records were made from; there is none before they are prepared."""
        return read_json_lines(Path(self.data_path) / FILMS)

    def read_studies(self, folder: Path) -> list[Study]:
        """Reads the studies of a folder; a builder for another kind of annotation overrides this."""
        return read_annotation(folder)

    @property
    def shards_dir(self) -> Path:
        """The folder of finished shards until all are written."""
        return Path(self.data_path.parent) / 'shards'

    def shard_files(self) -> dict[Path, StudyShard]:
        """The shard for each file, some of which a run that was stopped may have written."""
        shards = cut_into_shards(self.studies, self.images_dir, self.store)
        return {self.shards_dir / name: shard for name, shard in self._named(shards)}

    def _info(self) -> tfds.core.DatasetInfo:
        # Unshuffled: a record's index is the study's position in its split of the annotation.
        store, features = tfds.core.MetadataDict(store=self.store), study_features(details_of(self.studies))
        return tfds.core.DatasetInfo(builder=self, features=features, metadata=store, disable_shuffling=True)

    def download_and_prepare(self, **options: Any) -> None:
        """Copies the studies' films into records on all cores; finished shards of a stopped run are kept."""
        super().download_and_prepare(**options)
        shutil.rmtree(self.shards_dir, ignore_errors=True)

    def _shard_iterators_per_split(self, dl_manager: Any) -> dict[str, list[StudyShard]]:
        del dl_manager  # nothing is downloaded
        return cut_into_shards(self.studies, self.images_dir, self.store)

    def _download_and_prepare(self, dl_manager: Any, download_config: Any) -> None:
        """Writes with TFDS's own method for a Beam runner, else with threads, into a folder that survives a kill."""
        if download_config.beam_runner or download_config.beam_options:
            super()._download_and_prepare(dl_manager, download_config)
            films = dict.fromkeys(path for study in self.studies for path in study.image_paths)
            write_json_lines(
                Path(self.data_path) / FILMS, (read_film(self.images_dir, film, self.store)[1] for film in films)
            )
            return
        self.shards_dir.mkdir(exist_ok=True)
        files = self.shard_files()
        write_shards(files, self._processes)
        for path in files:
            _link_or_move(path, Path(self.data_path) / path.name)
        films = itertools.chain.from_iterable(read_json_lines(index_of(path)) for path in files)
        write_json_lines(Path(self.data_path) / FILMS, films)
        shards = self._shard_iterators_per_split(dl_manager)
        self.info.set_splits(tfds.core.SplitDict([self._split_info(split, shards[split]) for split in shards]))

    def _named(self, shards: dict[str, list[StudyShard]]) -> Iterator[tuple[str, StudyShard]]:
        """Yields the shards with TFDS's names of their files."""
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
            counts = dropped, len(studies)
            LOG.warning('Left out %d of %d studies whose image files are not in %s', *counts, self.images_dir)
        return kept

    def _check_images_exist(self) -> None:
        missing = [path for study in self.studies for path in self._missing_images(study)]
        if missing:
            raise ValueError(
                f'{summarise(missing, "image file is missing", "image files are missing")} '
                '(set only_existing_images=True to leave such studies out)'
            )


def _link_or_move(shard: Path, target: Path) -> None:
    """Gives a finished shard a second name, so that a run killed before the end leaves the first."""
    try:
        os.link(shard, target)
    except OSError:  # a file system without hard links
        os.replace(shard, target)


def _digest(studies: Sequence[Study], store: str) -> str:
    # Fields that a study does not have do not count: older prepared data are without them.
    fields = [
        (*dataclasses.astuple(study)[:5], *filter(None, (study.original_sizes, study.details))) for study in studies
    ]
    content = json.dumps(fields) + ('' if store == 'original' else store)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
