"""Reports for batches of films, with what is known about them: the search and the pass that explains its result.

I views, Y observations, L report words, N beams.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np
from PIL import Image

from camanet_jax import decoding
from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.explain import Explanation, as_read, explain_study
from camanet_jax.generate.film_loading import Films, Loaded, in_batches
from camanet_jax.models import CamanetOutput
from camanet_jax.reporting import inline
from camanet_jax.run.workdir import TrainedRun


class Alternative(NamedTuple):
    """Another beam's text, and the sum of its words' log-probabilities, end included."""

    report: str
    log_prob: float


@dataclasses.dataclass(frozen=True)
class GeneratedReport:
    """A report with what is known about it.

    Attributes:
      report: the text. words: its words, in the order of the explanation's maps.
      log_prob: sum of the words' log-probabilities, end included.
      word_log_probs: log-probability of each word given those before it.
      alternatives: the other beams' reports, best first.
      class_probabilities: probability of each observation; empty for the Base system.
      images: uint8 [I, height, width], the films as the model saw them.
      explanation: maps over the films for every word, VDM, TDM and class activation maps.
    """

    report: str
    words: list[str]
    log_prob: float
    word_log_probs: list[float]
    alternatives: list[Alternative]
    class_probabilities: dict[str, float]
    images: Films = dataclasses.field(repr=False)
    explanation: Explanation = dataclasses.field(repr=False)

    def attention(self, word: str | int) -> Image.Image:
        """The films under the attention that predicted a word: its first occurrence, or the one at a place."""
        return inline.attention_image(self.images, self.words, self.explanation, word)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return inline.report_png(self.images, self.words, self.explanation)


def batch_shape(studies: int, most: int) -> int:
    """A power of two that holds `studies`, at most `most`: every shape of batch is compiled once."""
    return min(most, 1 << max(studies - 1, 0).bit_length())


class ReportWriter:
    """Writes reports with a trained run."""

    def __init__(self, run: TrainedRun):
        self._run, self._config = run, run.experiment.config

    def write(self, loaded: Iterable[Loaded], count: int, beam_size: int | None = None) -> Iterator[Loaded]:
        """Reports in place of films; the device is given a batch before the one before it is looked at."""
        size, started = batch_shape(count, self._config.evaluation.batch_size), None
        beam_size = self._config.search.beam_size if beam_size is None else beam_size
        for number, batch in enumerate(in_batches(loaded, size)):
            following = batch, self._start(batch, number, size, beam_size)
            if started:
                yield from self._finish(*started)
            started = following
        if started:
            yield from self._finish(*started)

    def _start(self, batch: list[Loaded], number: int, size: int, beam_size: int) -> Any:
        """Searches the reports of a batch filled up to `size`, so that one compilation serves all."""
        films = [films for _, films in batch if not isinstance(films, ValueError)]
        if not films:
            return None
        filled = np.zeros((size, *films[0].shape), np.uint8)
        filled[: len(films)] = films
        key = jax.random.fold_in(jax.random.key(self._config.seed), number)
        return self._search(self._run.variables, filled, key, beam_size=beam_size)

    def _finish(self, batch: list[Loaded], found: Any) -> Iterator[Loaded]:
        found, row = jax.device_get(found), 0
        for item, films in batch:
            if isinstance(films, ValueError):
                yield item, films
            else:
                yield item, self._report(row, films, *found)
                row += 1

    def _report(self, i: int, films: Films, found: decoding.Reports, output: CamanetOutput) -> GeneratedReport:
        texts = [self._run.experiment.tokenizer.decode(tokens) for tokens in found.tokens[i]]
        scores = [float(score) for score in found.scores[i]]
        explanation = explain_study(output, i, found.tokens[i, 0], len(films))
        probabilities = explanation.class_probabilities
        named = {} if probabilities is None else dict(zip(OBSERVATIONS, map(float, probabilities), strict=True))
        others = [Alternative(*pair) for pair in zip(texts[1:], scores[1:], strict=True) if np.isfinite(pair[1])]
        return GeneratedReport(
            texts[0], texts[0].split(), scores[0], explanation.log_probs.tolist(), others, named, films, explanation
        )

    @cached_property
    def _model(self):
        return self._run.experiment.model()

    @cached_property
    def _search(self):
        """Reports of films, and the teacher-forced pass that explains the best of each: one compiled function."""

        def search(variables, films, key, beam_size):
            whole = {'full_list': True} if self._config.search.name == 'beam' else {}  # all beams, for the alternatives
            options = self._run.experiment.decoding_options(beam_size=beam_size, **whole)
            encoding = self._model.apply(variables, films, method='encode')
            reports = decoding.decode_reports(variables, encoding, key, model=self._model, **options)
            read = as_read(reports.tokens[:, 0])
            return reports, self._model.apply(variables, encoding, read, method='decode')

        return jax.jit(search, static_argnames='beam_size')
