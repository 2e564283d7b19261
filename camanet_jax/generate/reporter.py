"""The Python interface: open a trained workdir, write reports, look at what the model looked at.

B studies, I views, N beams.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from camanet_jax.generate.batches import GeneratedReport, ReportWriter
from camanet_jax.generate.film_loading import MISSING_VIEW, Films, load_ahead, load_films
from camanet_jax.generate.study_list import ListedStudy, list_studies
from camanet_jax.run.workdir import TrainedRun, open_trained

LOG = logging.getLogger(__name__)

Paths = str | Path | Sequence[str | Path]


class Reporter:
    """A trained model that writes reports.

    Attributes:
      config: of the run. vocabulary: the words, id 1 first. step: of the checkpoint.
    """

    def __init__(self, run: TrainedRun):
        self._writer = ReportWriter(run)
        self.config: ConfigDict = run.experiment.config
        self.vocabulary: tuple[str, ...] = run.experiment.tokenizer.words
        self.step = run.step

    def generate(
        self,
        images: np.ndarray | str | Path | Sequence[Paths],
        beam_size: int | None = None,
        *,
        missing_view: str = 'repeat',
    ) -> list[GeneratedReport]:
        """Reports for studies.

        Args:
          images: uint8 [B, I, height, width] grey films of the model's size; or one entry per study: a path, or a
            sequence of I paths in the order of the training data (frontal, then lateral); or one path, of a film, a
            folder or a CSV (`data.study_list`). PNG, JPEG, TIFF and DICOM are read, among others.
          beam_size: N; by default the configured one.
          missing_view: of a study with too few films, 'repeat' takes the last one again and 'refuse' raises.

        Raises:
          ValueError: a film cannot be read, or a study has another number of them than the model reads.
        """
        if isinstance(images, np.ndarray):
            self._check(images)
            found = self._writer.write(enumerate(images), len(images), beam_size)
        else:
            found = self.stream(as_studies(images, self.config.data.views), beam_size, missing_view=missing_view)
        return [_raised(report) for _, report in found]

    def stream(
        self,
        studies: Sequence[ListedStudy],
        beam_size: int | None = None,
        *,
        missing_view: str = 'repeat',
        name_of: Callable[[object], str] = str,
    ) -> Iterator[tuple[ListedStudy, GeneratedReport | ValueError]]:
        """Reports of any number of studies, one after the other, each with its study.

        Films are loaded while the device works on those before; only a few batches are in memory. Where a study cannot
        be loaded its error is given in place of the report, and the others go on. `name_of` names paths in messages;
        otherwise as `generate`.
        """
        if missing_view not in MISSING_VIEW:
            raise ValueError(f'Expected missing_view as one of {MISSING_VIEW}, got {missing_view!r}.')
        if missing_view == 'repeat':
            warn_of_missing_views(studies, self.config.data.views)
        load = partial(load_films, data=self.config.data, missing_view=missing_view, name_of=name_of)
        batch_size = min(len(studies), self.config.evaluation.batch_size)
        return self._writer.write(load_ahead(load, studies, 2 * batch_size), len(studies), beam_size)

    def load(self, study: Paths) -> Films:
        """A study's files as the model takes them."""
        (listed,) = as_studies([study], self.config.data.views)
        return load_films(listed, self.config.data, 'refuse')

    def _check(self, films: np.ndarray) -> None:
        side, views = self.config.data.image_size, self.config.data.views
        if films.dtype != np.uint8 or films.shape[1:] != (views, side, side):
            raise ValueError(
                f'Expected uint8 films of shape [studies, {views}, {side}, {side}], got {films.dtype} '
                f'{list(films.shape)}; give file paths to have them resized.'
            )


def as_studies(images: str | Path | Sequence[Paths], views: int) -> list[ListedStudy]:
    """The studies of one path that may be a folder or a CSV, or of one entry per study."""
    if isinstance(images, str | Path):
        return list_studies([images], views)
    entries = [[entry] if isinstance(entry, str | Path) else entry for entry in images]
    return [ListedStudy(str(number), tuple(map(Path, paths))) for number, paths in enumerate(entries)]


def warn_of_missing_views(studies: Sequence[ListedStudy], views: int) -> None:
    """A model trained on two views may do worse with one of them twice."""
    if short := sum(len(study.paths) < views for study in studies):
        LOG.warning(
            '%d of %d studies have fewer films than the %d that the model reads; their last film is given '
            "again (missing_view='refuse' leaves them out).",
            short,
            len(studies),
            views,
        )


def _raised(report: GeneratedReport | ValueError) -> GeneratedReport:
    if isinstance(report, ValueError):
        raise report
    return report


def load(workdir: str | Path) -> Reporter:
    """Opens the best checkpoint of a workdir."""
    return Reporter(open_trained(workdir))
