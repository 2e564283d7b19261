"""The maps of a study that are measured, from its generated report and from its reference.

I views, L report words, P patches of all views.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from camanet_jax import decoding
from camanet_jax.data.sources import Source
from camanet_jax.explain import Explanation, explain
from camanet_jax.lab.alignment.lesions import ANY, Lesion
from camanet_jax.lab.alignment.naming import naming_places
from camanet_jax.run.progress import tracked
from camanet_jax.run.workdir import TrainedRun

# Every map in the order of the tables; a system has those that its parts make.
MEANING = {
    'vdm': 'visual discriminative map, against each lesion',
    'class_map': "class activation map of the lesion's own observation",
    'tdm_generated': 'textual discriminative map of the generated report, against each lesion',
    'tdm_reference': 'textual discriminative map of the reference, against each lesion',
    'words_generated': "attention while predicting the finding's own words, where the generated report asserts it",
    'words_reference': "attention while predicting the finding's own words in the reference",
    'words_read_generated': "attention having read them in the generated report: the rows that VTAC's map is made of",
    'words_read_reference': 'attention having read them in the reference',
    'vdm_any': "visual discriminative map, against all of a study's lesions together",
    'tdm_any_generated': "textual discriminative map of the generated report, against all of a study's lesions",
    'tdm_any_reference': "textual discriminative map of the reference, against all of a study's lesions",
    'lesion_itself': 'the share of each patch that the lesion covers as the map: a perfect one, for scale',
}


@dataclasses.dataclass(frozen=True)
class ExplainedStudy:
    """A study's texts 'generated' and 'reference', each with its maps.

    Attributes:
      words: by text. explanations: by text, places as in `words`.
    """

    words: dict[str, list[str]]
    explanations: dict[str, Explanation]

    def maps(self, lesion: Lesion) -> dict[str, Float[np.ndarray, ' P']]:
        """The maps to hold against a lesion, by name: those that the system has, of texts that name the finding."""
        found = self.of_everything() if lesion.observation == ANY else self.of_finding(lesion)
        return {name: values.reshape(-1) for name, values in found.items()}

    def of_everything(self) -> dict[str, np.ndarray]:
        """The maps that stand for all findings at once."""
        found = {f'tdm_any_{text}': explained.tdm for text, explained in self.explanations.items()}
        found['vdm_any'] = self.explanations['generated'].vdm
        return {name: values for name, values in found.items() if values is not None}

    def of_finding(self, lesion: Lesion) -> dict[str, np.ndarray]:
        """The maps for one finding."""
        found = {name.replace('_any', ''): values for name, values in self.of_everything().items()}
        cams = self.explanations['generated'].cams
        if cams is not None:
            found['class_map'] = cams[lesion.observation]
        for text, explained in self.explanations.items():
            if places := naming_places(self.words[text], lesion.name):
                found[f'words_{text}'] = explained.predicting_attention[places].mean(0)
                found[f'words_read_{text}'] = explained.reading_attention[places].mean(0)
        return found | {'lesion_itself': lesion.share}


def map_side(run: TrainedRun) -> int:
    """Rows (and columns) of one view's map."""
    images = run.experiment.example_batch()['images']
    encode = partial(run.experiment.model().apply, method='encode')
    patches = jax.eval_shape(encode, run.variables, images).visual_tokens.shape[1]
    return round((patches // images.shape[1]) ** 0.5)


def explain_studies(
    run: TrainedRun, source: Source, positions: Sequence[int], description: str
) -> Iterator[tuple[int, ExplainedStudy]]:
    """Studies of a split with their positions, in batches of at most the evaluation's size."""
    config, model = run.experiment.config, run.experiment.model()
    search = jax.jit(partial(decoding.generate, model=model, **run.experiment.decoding_options()))
    load = run.experiment.study_loader(source)
    size = min(config.evaluation.batch_size, len(positions))
    starts = range(0, len(positions), size)
    for start in tracked(starts, description, len(starts)):
        chunk = list(positions[start : start + size])
        rows = [load(position) for position in chunk + [chunk[-1]] * (size - len(chunk))]  # filled up: one shape
        images = np.stack([row['images'] for row in rows])
        tokens = {
            'generated': search(run.variables, images, jax.random.key(config.seed)).tokens[:, 0],
            'reference': np.stack([reference_words(row['tokens']) for row in rows]),
        }
        studies = explain_texts(run, images, {text: np.asarray(ids) for text, ids in tokens.items()})
        yield from zip(chunk, studies, strict=False)


def reference_words(tokens: Int[np.ndarray, ' L']) -> Int[np.ndarray, ' L']:
    """A batch's row of ids (BOS first) as word ids padded with 0, of the same length."""
    return np.append(tokens[1:], tokens.dtype.type(0))


def explain_texts(run: TrainedRun, images: Array, tokens: dict[str, Int[np.ndarray, 'B L']]) -> list[ExplainedStudy]:
    """Explains each study's texts."""
    model, tokenizer = run.experiment.model(), run.experiment.tokenizer
    explained = {text: explain(run.variables, images, ids, model=model) for text, ids in tokens.items()}
    return [
        ExplainedStudy(
            {text: tokenizer.decode(ids[i]).split() for text, ids in tokens.items()},
            {text: studies[i] for text, studies in explained.items()},
        )
        for i in range(len(images))
    ]
