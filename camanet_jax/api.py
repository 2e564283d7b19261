"""The Python interface: open a trained workdir, write reports, look at what the model looked at.

B studies, I views, Y observations, L report words, N beams.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path

import jax
import numpy as np
from jaxtyping import UInt8
from ml_collections import ConfigDict

from camanet_jax import decoding
from camanet_jax.data.image_files import open_grey
from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.data.transforms import eval_image
from camanet_jax.explain import Explanation, explain
from camanet_jax.workdir import TrainedRun, open_trained

Paths = str | Path | Sequence[str | Path]


@dataclasses.dataclass(frozen=True)
class GeneratedReport:
    """A report with what is known about it.

    Attributes:
      report: the text. words: its words, in the order of the explanation's maps.
      log_prob: sum of the words' log-probabilities, end included.
      alternatives: the other beams' texts and log-probabilities, best first.
      class_probabilities: probability of each observation; empty for the Base system.
      images: uint8 [I, height, width], the films as the model saw them.
      explanation: maps over the films for every word, VDM, TDM and class activation maps.
    """

    report: str
    words: list[str]
    log_prob: float
    alternatives: list[tuple[str, float]]
    class_probabilities: dict[str, float]
    images: UInt8[np.ndarray, 'I height width']
    explanation: Explanation


class Reporter:
    """A trained model that writes reports.

    Attributes:
      config: of the run. vocabulary: the words, id 1 first. step: of the checkpoint.
    """

    def __init__(self, run: TrainedRun):
        self._run, self._tokenizer = run, run.experiment.tokenizer
        self.config: ConfigDict = run.experiment.config
        self.vocabulary: tuple[str, ...] = self._tokenizer.words
        self.step = run.step

    def generate(self, images: np.ndarray | Sequence[Paths], beam_size: int = 3) -> list[GeneratedReport]:
        """Reports for studies.

        Args:
          images: uint8 [B, I, height, width] grey films of the model's size, or one entry per study: a path, or a
            sequence of I paths in the order of the training data (frontal, then lateral).
          beam_size: N.
        """
        if not len(images):
            return []
        films = images if isinstance(images, np.ndarray) else np.stack([self.load(study) for study in images])
        self._check(films)
        return [report for chunk in self._chunks(films) for report in self._reports(*chunk, beam_size)]

    def load(self, study: Paths) -> UInt8[np.ndarray, 'I height width']:
        """A study's files as the model takes them."""
        paths = [study] if isinstance(study, str | Path) else list(study)
        if len(paths) != self.config.data.views:
            raise ValueError(f'Expected {self.config.data.views} image file(s) per study, got {len(paths)}: '
                             f'{[str(path) for path in paths]}.')
        data = self.config.data
        return np.stack([eval_image(open_grey(Path(path).read_bytes(), str(path)), data.eval_transform,
                                    data.image_size, data.resize_size) for path in paths])

    @cached_property
    def _model(self):
        return self._run.experiment.model()

    @cached_property
    def _search(self):
        def search(variables, films, key, beam_size):
            whole = {'full_list': True} if self.config.search.name == 'beam' else {}  # all beams, for the alternatives
            options = self._run.experiment.decoding_options(beam_size=beam_size, **whole)
            return decoding.generate(variables, films, key, model=self._model, **options)

        return jax.jit(search, static_argnames='beam_size')

    def _check(self, films: np.ndarray) -> None:
        side, views = self.config.data.image_size, self.config.data.views
        if films.dtype != np.uint8 or films.shape[1:] != (views, side, side):
            raise ValueError(f'Expected uint8 films of shape [studies, {views}, {side}, {side}], got {films.dtype} '
                             f'{list(films.shape)}; give file paths to have them resized.')

    def _chunks(self, films: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        """Batches of one size, the last one filled up, with the number of studies in each."""
        size = min(len(films), self.config.evaluation.batch_size)
        for start in range(0, len(films), size):
            chunk = films[start:start + size]
            yield np.concatenate([chunk, np.zeros((size - len(chunk), *chunk.shape[1:]), np.uint8)]), len(chunk)

    def _reports(self, films: np.ndarray, count: int, beam_size: int) -> list[GeneratedReport]:
        key = jax.random.key(self.config.seed)
        found = jax.device_get(self._search(self._run.variables, films, key, beam_size=beam_size))
        explanations = explain(self._run.variables, films, found.tokens[:, 0], self._run.experiment.objective(),
                               model=self._model)
        build = partial(self._report, found=found, explanations=explanations, films=films)
        return [build(i) for i in range(count)]

    def _report(self, i: int, *, found: decoding.Reports, explanations, films) -> GeneratedReport:
        texts = [self._tokenizer.decode(tokens) for tokens in found.tokens[i]]
        scores = [float(score) for score in found.scores[i]]
        probabilities = explanations[i].class_probabilities
        named = {} if probabilities is None else dict(zip(OBSERVATIONS, map(float, probabilities), strict=True))
        others = [(text, score) for text, score in zip(texts[1:], scores[1:], strict=True) if np.isfinite(score)]
        return GeneratedReport(texts[0], texts[0].split(), scores[0], others, named, films[i], explanations[i])


def load(workdir: str | Path) -> Reporter:
    """Opens the best checkpoint of a workdir."""
    return Reporter(open_trained(workdir))
