"""The Python interface: open a trained workdir, write reports, see where the model looked.

A search finds the reports of a batch, and a pass over its result explains them. B studies, I views, Y observations,
L report words, N beams.
"""

import dataclasses
import logging
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict
from PIL import Image

from camanet_jax import decoding
from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.explain import Explanation, as_read, by_study_alone, explain_study
from camanet_jax.generate.film_loading import MISSING_VIEW, Films, Loaded, in_batches, load_ahead, load_films
from camanet_jax.generate.study_list import ListedStudy, list_studies
from camanet_jax.models import CamanetOutput
from camanet_jax.reporting import figures
from camanet_jax.run.workdir import TrainedRun, fetch, open_trained
from camanet_jax.sharding import by_study, keys_of

LOG = logging.getLogger(__name__)
Paths = str | Path | Sequence[str | Path]


class Alternative(NamedTuple):
    """Another beam's text, and the sum of its words' log-probabilities, end included."""

    report: str
    log_prob: float


@dataclasses.dataclass(frozen=True)
class GeneratedReport:
    """A report with its probabilities and its explanation."""

    report: str
    words: list[str]  # in the order of the explanation's maps
    log_prob: float  # sum of the words' log-probabilities, end included
    word_log_probs: list[float]  # of each word given those before it
    alternatives: list[Alternative]  # the other beams' reports, best first
    class_probabilities: dict[str, float]  # by observation; empty for the Base system
    images: Films = dataclasses.field(repr=False)  # uint8 [I, height, width], as the model saw them
    explanation: Explanation = dataclasses.field(repr=False)  # maps for every word, VDM, TDM, class activation maps

    def attention(self, word: str | int) -> Image.Image:
        """The films under the attention that predicted a word, given as its position or by its first occurrence."""
        return figures.attention_image(self.images, self.words, self.explanation, word)

    def _repr_png_(self) -> bytes:
        """Draws the picture that a notebook shows."""
        return figures.report_png(self.images, self.words, self.explanation)


def batch_shape(studies: int, most: int) -> int:
    """The smallest power of two that is at least `studies`, capped at `most`: few shapes of batches are compiled."""
    return min(most, 1 << max(studies - 1, 0).bit_length())


def number_of(item: Any) -> np.uint32:
    """A study's number for random draws: by its name, so that they are the same whatever else is in the list."""
    return np.uint32(zlib.crc32(os.fsencode(str(getattr(item, 'id', item)))))


class Reporter:
    """A trained model that writes reports.

    Attributes:
      run: the opened workdir. config: its own. vocabulary: the words, id 1 first. step: the checkpoint's.
    """

    def __init__(self, run: TrainedRun):
        self.run = run
        self._experiment, self._variables, self.step = run.experiment, run.variables, run.step
        self.config: ConfigDict = run.experiment.config
        self.vocabulary: tuple[str, ...] = run.experiment.tokenizer.words
        self._model, self._search = run.experiment.model(), cache(self._make_search)

    def generate(
        self,
        images: np.ndarray | str | Path | Sequence[Paths],
        beam_size: int | None = None,
        *,
        missing_view: str = 'repeat',
    ) -> list[GeneratedReport]:
        """Writes reports for studies.

        Args:
          images: uint8 [B, I, height, width] grey films of the model's size; or one entry per study: a path, or a
            sequence of I paths in the order of the training data (frontal, then lateral); or the path of a film, a
            folder or a CSV (`study_list`). PNG, JPEG, TIFF and DICOM are read, among others.
          beam_size: N; by default the configured one.
          missing_view: 'repeat' repeats the last film of a study with too few, 'refuse' raises.

        Raises:
          ValueError: a film cannot be read, or a study has another number of them than the model reads.
        """
        if isinstance(images, np.ndarray):
            self._check(images)
            reports = self._write(enumerate(images), len(images), beam_size)
        else:
            reports = self.stream(as_studies(images, self.config.data.views), beam_size, missing_view=missing_view)
        return [_raised(report) for _, report in reports]

    def stream(
        self,
        studies: Sequence[ListedStudy],
        beam_size: int | None = None,
        *,
        missing_view: str = 'repeat',
        name_of: Callable[[object], str] = str,
        of: int | None = None,
    ) -> Iterator[tuple[ListedStudy, GeneratedReport | ValueError]]:
        """Yields any number of studies, each with its report, or with the error where it cannot be loaded.

        Films are loaded while the device works on earlier ones; only a few batches are in memory. `name_of` names paths
        in messages; where `studies` are what is left of a longer list, `of` is its length, and batches keep the shape
        that they have for the whole list; the other arguments are those of `generate`.
        """
        if missing_view not in MISSING_VIEW:
            raise ValueError(f'Expected missing_view as one of {MISSING_VIEW}, got {missing_view!r}.')
        if missing_view == 'repeat' and self.config.data.fewer_views == 'error':
            warn_of_missing_views(studies, self.config.data.views)
        load = partial(load_films, data=self.config.data, missing_view=missing_view, name_of=name_of)
        batch_size = min(len(studies), self.config.evaluation.batch_size)
        return self._write(load_ahead(load, studies, 2 * batch_size), of or len(studies), beam_size)

    def load(self, study: Paths) -> Films:
        """Loads a study's files as the model reads them."""
        (listed,) = as_studies([study], self.config.data.views)
        return load_films(listed, self.config.data, 'refuse')

    def _write(self, loaded: Iterable[Loaded], count: int, beam_size: int | None = None) -> Iterator[Loaded]:
        """Turns films into reports; each batch is sent to the device before the results of the last are processed."""
        size, started = batch_shape(count, self.config.evaluation.batch_size), None
        beam_size = self.config.search.beam_size if beam_size is None else beam_size
        for batch in in_batches(loaded, size):
            following = batch, self._start(batch, size, beam_size)
            if started:
                yield from self._finish(*started)
            started = following
        if started:
            yield from self._finish(*started)

    def _start(self, batch: list[Loaded], size: int, beam_size: int) -> Any:
        """Starts the search for a batch, filled up to `size`, so that one compiled program serves all."""
        inputs = [
            (films, self._extras(item), number_of(item)) for item, films in batch if not isinstance(films, ValueError)
        ]
        if not inputs:
            return None

        def fill(*of_studies):
            filled = np.zeros((size, *of_studies[0].shape), of_studies[0].dtype)
            filled[: len(of_studies)] = of_studies
            return filled

        key = jax.random.key(self.config.seed)
        return self._search(beam_size)(jax.tree.map(fill, *inputs), self._variables, key)

    def _extras(self, item: Any) -> dict[str, np.ndarray]:
        """The inputs beside the films, made from what a list says about the study (`ListedStudy.record`)."""
        record, films = getattr(item, 'record', {}), len(getattr(item, 'paths', ())) or self.config.data.views
        return self._experiment.extras(record, films).get('extras', {})

    def _finish(self, batch: list[Loaded], result: Any) -> Iterator[Loaded]:
        result, row = jax.device_get(result), 0
        for item, films in batch:
            if isinstance(films, ValueError):
                yield item, films
            else:
                yield item, self._report(row, films, *result)
                row += 1

    def _report(self, i: int, films: Films, reports: decoding.Reports, output: CamanetOutput) -> GeneratedReport:
        texts = [self._experiment.tokenizer.decode(tokens) for tokens in reports.tokens[i]]
        words = self._experiment.tokenizer.pieces(reports.tokens[i, 0])
        scores = [float(score) for score in reports.scores[i]]
        explanation = explain_study(output, i, reports.tokens[i, 0], len(films))
        probabilities = explanation.class_probabilities
        named = {} if probabilities is None else dict(zip(OBSERVATIONS, map(float, probabilities), strict=True))
        others = [Alternative(*pair) for pair in zip(texts[1:], scores[1:], strict=True) if np.isfinite(pair[1])]
        return GeneratedReport(
            texts[0], words, scores[0], explanation.log_probs.tolist(), others, named, films, explanation
        )

    def _make_search(self, beam_size: int):
        """The compiled search for reports of films, with the teacher-forced pass that explains the best of each."""
        whole = {'full_list': True} if self.config.search.name == 'beam' else {}  # all beams, for the alternatives
        options = self._experiment.decoding_options(beam_size=beam_size, **whole)

        def search(inputs, variables, key):
            films, extras, numbers = inputs
            encoding = self._model.apply(variables, films, **extras, method='encode')
            keys = keys_of(key, numbers)
            reports = decoding.decode_reports(variables, encoding, keys, model=self._model, **options)
            read = as_read(reports.tokens[:, 0])
            width = jnp.asarray(read.shape[1])  # of no study, so that an explanation does not depend on the others
            return reports, by_study_alone(self._model.apply(variables, encoding, read, width, method='decode'))

        return by_study(search)

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
    """Warns of studies with too few films: a model trained on two views may do worse with one of them twice."""
    if short := sum(len(study.paths) < views for study in studies):
        LOG.warning(
            '%d of %d studies have fewer films than the %d that the model reads; their last film is given '
            "again (missing_view='refuse' leaves them out).",
            *(short, len(studies), views),
        )


def _raised(report: GeneratedReport | ValueError) -> GeneratedReport:
    if isinstance(report, ValueError):
        raise report
    return report


def load(workdir: str | Path) -> Reporter:
    """Opens the best checkpoint of a workdir, or a published model (a folder, or `hf://owner/name`)."""
    return Reporter(open_trained(fetch(workdir)))
