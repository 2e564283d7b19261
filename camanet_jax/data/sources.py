"""Opens a data set by name as a random-access source of records, preparing it on first use."""

import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import io
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Int8

from camanet_jax import extensions
from camanet_jax.data.schema import DETAILS, OBSERVATIONS, SPLITS, UNLABELLED, Study, summarise
from camanet_jax.run.files import PASSING, naming, refusal

LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def reading_records(folder: str | Path) -> Iterator[None]:
    """Names the folder where its records cannot be read; what reads them raises all kinds of errors."""
    try:
        yield
    except Exception as error:
        if (number := refusal(error)) in PASSING:
            raise OSError(number, os.strerror(number), str(folder)) from error
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise ValueError(
            f'{folder}: its prepared records are damaged or incomplete ({reason}); remove this folder, and they are '
            'prepared again'
        ) from error


class Records(Sequence):
    """The records of one split in the order they were prepared in; images stay encoded.

    A record is a dict: `id` and `report` (str), `labels` int8 [Y] (-1 where an observation is not to be counted,
    throughout where the study is unlabelled), `images` (I encoded files), `image_paths` (I names), those of
    `schema.DETAILS` that some study has ('' where this one has none), and any fields that its builder adds. Only the
    path is pickled: every worker opens the files itself.
    """

    def __init__(self, prepared_dir: str, split: str, views: int):
        self.prepared_dir, self._split, self.views = prepared_dir, split, views

    def __len__(self) -> int:
        return len(self._opened)

    def __getitem__(self, index: int) -> dict[str, Any]:
        with reading_records(self.prepared_dir):
            record = self._opened[index]
        paths = [path.decode() for path in record['image_paths']]
        return record | {
            'id': record['id'].decode(),
            'report': record['report'].decode(),
            'images': list(record['images'])[: self.views],
            'image_paths': paths[: self.views],
            **{name: record[name].decode() for name in DETAILS if isinstance(record.get(name), bytes)},
            **({'view': [view.decode() for view in record['view']][: self.views]} if 'view' in record else {}),
        }

    def read_studies(self) -> list[Study]:
        """Reads every record except for its images."""
        with reading_records(self.prepared_dir):
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
        with reading_records(self.prepared_dir):
            builder = tfds.builder_from_directory(self.prepared_dir)
            return builder.as_data_source(self._split, decoders=_keep_images_encoded(builder.info.features))


class _KeepEncoded(tfds.decode.SkipDecoding):
    """SkipDecoding that also works inside a Sequence, where TFDS's own needs TensorFlow."""

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


# By name, so that reading a data set imports nothing that makes one. A builder that knows its studies without reading
# the records has them as `studies`.
BUILDERS = {
    'study_folder': 'camanet_jax.preparation.study_folder:StudyFolder',
    'synthetic': 'camanet_jax.synthetic.chest:open_synthetic',
}


@dataclasses.dataclass(frozen=True)
class Source:
    """One split of a data set, prepared: `records[i]` and `studies[i]` are the same study."""

    records: Records
    studies: tuple[Study, ...]
    prepared_dir: str  # the folder of the records; after its removal they are prepared again
    store: str = 'original'  # the form of the films in the records (image_store.py)
    section: str = ''  # of the report, where it is known: one of `preparation.sections.SECTIONS`
    content: str | None = None  # a digest of the films, reports and labels of all splits, where the builder has one
    faults: tuple[str, ...] = ()  # the split's studies with damaged films, and the reasons

    def __len__(self) -> int:
        return len(self.studies)

    @property
    def ids(self) -> list[str]:
        """The study ids."""
        return [study.id for study in self.studies]

    @property
    def reports(self) -> list[str]:
        """The reports as written, without decoding any image."""
        return [study.report for study in self.studies]

    @property
    def labels(self) -> Int8[np.ndarray, 'studies Y']:
        """0 or 1 in the order of OBSERVATIONS; rows of -1 where the data set is unlabelled."""
        unlabelled = (UNLABELLED,) * len(OBSERVATIONS)
        return np.array([study.labels or unlabelled for study in self.studies], np.int8)


def open_sources(
    splits: Sequence[str],
    *,
    name: str,
    data_dir: str | Path,
    views: int,
    cache_dir: str | Path | None = None,
    extra_views: str = 'error',
    fewer_views: str = 'error',
    **options: Any,
) -> list[Source]:
    """Opens splits, after preparing the whole data set where that has not been done.

    The films are compared with those that the records were made from; once, not once per split.

    Args:
        splits: Of 'train', 'val' and 'test'.
        name: A key of BUILDERS, or a builder by 'file.py:name' or 'package.module:name'.
        data_dir: The folder of the data set.
        views: I, the number of images every study must have.
        fewer_views: 'error', or 'mask' where I is the most that a study may have.
        cache_dir: The folder of prepared data, by default `default_cache`.
        extra_views: 'error', or 'first' to keep the first `views` images of a study with more.
        **options: For the builder.

    Raises:
        ValueError: a name is unknown, a split is empty, or studies have another number of images.
    """
    if ':' not in name:
        _check_choice('data set name', name, [*BUILDERS, 'file.py:name'])
    for split in splits:
        _check_choice('split', split, list(SPLITS))
    _check_choice('extra_views', extra_views, ['error', 'first'])
    _check_choice('fewer_views', fewer_views, ['error', 'mask'])
    make_builder = extensions.find('data.name', BUILDERS.get(name, name))
    cache = Path(cache_dir) if cache_dir else default_cache(Path(data_dir))
    builder = make_builder(Path(data_dir), cache_dir=cache, **options)
    prepare(builder)

    # Read back, since this builder knows no splits where another run has prepared the data meanwhile.
    with reading_records(builder.data_dir):
        prepared = list(tfds.builder_from_directory(builder.data_dir).info.splits)
    store, content = getattr(builder, 'store', 'original'), getattr(builder, 'content', None)
    section = getattr(builder, 'section', '')
    known, damaged, sources = getattr(builder, 'studies', None), getattr(builder, 'faults', {}), []
    for split in splits:
        if split not in prepared:
            needed = f'a run needs all of {list(SPLITS)}'
            raise ValueError(f'{data_dir} has no studies in {split!r}, only in {prepared}; {needed}')
        records = Records(builder.data_dir, split, views)
        studies = records.read_studies() if known is None else known
        members = tuple(study for study in studies if study.split == split)
        _check_views(members, 1 if fewer_views == 'mask' else views, views if extra_views == 'error' else None)
        faults = (f'{study.id}: {damaged[path]}' for study in members for path in study.image_paths if path in damaged)
        sources.append(Source(records, members, str(builder.data_dir), store, section, content, tuple(faults)))
    return sources


def default_cache(data_dir: Path) -> Path:
    """The folder `data_dir`/tfds or, where that cannot be written, one in the user's cache."""
    beside = data_dir / 'tfds'
    if beside.is_dir() or not data_dir.is_dir() or _writable(data_dir):
        return beside
    base = Path(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'))
    if not base.is_absolute() or not os.access(next(path for path in (base, *base.parents) if path.exists()), os.W_OK):
        base = Path(tempfile.gettempdir()) / f'cache-{os.getuid()}'  # no home, or none that can be written
    digest = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]
    cache = base / 'camanet_jax' / f'{data_dir.resolve().name}-{digest}'
    LOG.info('%s cannot be written to: prepared data go to %s (--config.cache_dir chooses)', data_dir, cache)
    return cache


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def prepare(builder: tfds.core.DatasetBuilder, **download_options: Any) -> None:
    """Writes the builder's records unless they exist; safe against kills and concurrent runs.

    TFDS writes into a folder 'incomplete.*' and renames it at the end; a lock keeps a second run waiting, and
    protects the removal of such folders that a killed run left.

    Args:
        builder: The builder of the data set.
        **download_options: For `tfds.download.DownloadConfig`, such as a `beam_runner`.
    """
    if builder.data_path.exists():
        return
    with _locked(Path(builder.data_path.parent)) as parent:
        if builder.data_path.exists():
            return
        for leftover in parent.glob('incomplete.*'):
            shutil.rmtree(leftover)
        without_stats = dict(try_download_gcs=False, compute_stats=tfds.download.ComputeStatsMode.SKIP)
        with _without_tfds_bars(), naming(Path(builder.data_path)):
            config = tfds.download.DownloadConfig(**without_stats, **download_options)
            builder.download_and_prepare(download_config=config)


@contextlib.contextmanager
def _without_tfds_bars() -> Iterator[None]:
    """Silences TFDS's bars and lines, which know no totals; the builders show their own progress."""
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / 'prepare.lock').open('w')
    except OSError as error:
        raise ValueError(
            f'cannot write prepared data to {folder} ({error}); set cache_dir to a writable folder'
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            LOG.info('Waiting for another run that prepares %s', folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _check_choice(what: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f'{what} must be one of {choices}, got {value!r}')


def _check_views(studies: Sequence[Study], fewest: int, most: int | None) -> None:
    counts = {study.id: len(study.image_paths) for study in studies}
    wrong = [f'{name} has {n}' for name, n in counts.items() if n < fewest or (most is not None and n > most)]
    if wrong:
        expected = f'{fewest}' if fewest == most else f'{fewest} or more' if most is None else f'{fewest} to {most}'
        raise ValueError(
            f'expected {expected} images per study, got {summarise(wrong, "study", "studies")} '
            "(set views, or extra_views='first' to keep the first of more, or fewer_views='mask')"
        )
