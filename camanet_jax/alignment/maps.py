"""The maps of a study that are measured, from its generated report and from its reference.

I views, L report words, P patches of all views.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Int

from camanet_jax import decoding
from camanet_jax.alignment.naming import naming_places
from camanet_jax.data.examples import ExampleLoader
from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.data.sources import Source
from camanet_jax.explain import Explanation, explain
from camanet_jax.progress import tracked
from camanet_jax.workdir import TrainedRun

TEXTS = ('generated', 'reference')
# What each map is, by its name without the text it is of.
MEANING = {
    'vdm': 'visual discriminative map, all present classes',
    'class_map': "class activation map of the lesion's observation",
    'tdm': 'textual discriminative map',
    'words': "attention while predicting the finding's own words",
    'words_read': "attention having read them (the rows that VTAC's map is made of)",
}


@dataclasses.dataclass(frozen=True)
class ExplainedStudy:
    """A study's two texts, each with its maps.

    Attributes:
      words: by text. explanations: by text, places as in `words`.
    """

    words: dict[str, list[str]]
    explanations: dict[str, Explanation]

    def maps(self, observation: int) -> dict[str, np.ndarray]:
        """Maps [P] by name for a lesion; those that the system has, of texts that name the finding."""
        first = self.explanations['generated']
        found = {}
        if first.vdm is not None:
            found |= {'vdm': first.vdm, 'class_map': first.cams[observation]}
        for text, explained in self.explanations.items():
            if explained.tdm is not None:
                found[f'tdm_{text}'] = explained.tdm
            if places := naming_places(self.words[text], OBSERVATIONS[observation]):
                found[f'words_{text}'] = explained.predicting_attention[places].mean(0)
                found[f'words_read_{text}'] = explained.reading_attention[places].mean(0)
        return {name: values.reshape(-1) for name, values in found.items()}


def map_side(run: TrainedRun) -> int:
    """Rows (and columns) of one view's map."""
    images = run.experiment.example_batch()['images']
    encode = partial(run.experiment.model().apply, method='encode')
    patches = jax.eval_shape(encode, run.variables, images).visual_tokens.shape[1]
    return round((patches // images.shape[1]) ** 0.5)


def explain_studies(run: TrainedRun, source: Source, positions: Sequence[int],
                    description: str) -> Iterator[tuple[int, ExplainedStudy]]:
    """Studies of a split with their position, in batches of the evaluation's size."""
    config, model = run.experiment.config, run.experiment.model()
    search = jax.jit(partial(decoding.generate, model=model, **run.experiment.decoding_options()))
    load = example_loader(run, source)
    size = min(config.evaluation.batch_size, len(positions))
    starts = range(0, len(positions), size)
    for start in tracked(starts, description, len(starts)):
        chunk = list(positions[start:start + size])
        filled = chunk + [chunk[-1]] * (size - len(chunk))
        rows = [load(position) for position in filled]
        images = np.stack([row['images'] for row in rows])
        tokens = {'generated': search(run.variables, images, jax.random.key(config.seed)).tokens[:, 0],
                  'reference': np.stack([reference_words(row['tokens']) for row in rows])}
        studies = explain_texts(run, images, {text: np.asarray(ids) for text, ids in tokens.items()})
        yield from zip(chunk, studies, strict=False)  # without the rows that fill up


def example_loader(run: TrainedRun, source: Source) -> Callable[[int], dict[str, Any]]:
    """Loads studies as the evaluation does."""
    data = run.experiment.config.data
    loader = ExampleLoader(source.records, run.experiment.tokenizer, data.max_seq_length, data.image_size,
                           data.resize_size)
    return partial(loader.evaluate, eval_transform=data.eval_transform)


def reference_words(tokens: Int[np.ndarray, ' L']) -> Int[np.ndarray, ' L']:
    """A batch's row of ids (BOS first) as word ids padded with 0, of the same length."""
    return np.append(tokens[1:], tokens.dtype.type(0))


def explain_texts(run: TrainedRun, images: Array, tokens: dict[str, Int[np.ndarray, 'B L']]) -> list[ExplainedStudy]:
    """Explains each study's texts."""
    model, objective, tokenizer = run.experiment.model(), run.experiment.objective(), run.experiment.tokenizer
    explained = {text: explain(run.variables, images, ids, objective, model=model) for text, ids in tokens.items()}
    return [ExplainedStudy({text: tokenizer.decode(ids[i]).split() for text, ids in tokens.items()},
                           {text: studies[i] for text, studies in explained.items()})
            for i in range(len(images))]
