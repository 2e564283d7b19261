"""The measured maps of a study, from its generated report and from its reference.

I views, L report words, P patches of all views.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial

import jax
import numpy as np
from jaxtyping import Float, Int

from camanet_jax import decoding
from camanet_jax.data.examples import Example
from camanet_jax.data.sources import Source
from camanet_jax.explain import Explanation, explain
from camanet_jax.lab.alignment.lesions import ANY, Lesion
from camanet_jax.lab.alignment.naming import naming_positions
from camanet_jax.run.progress import tracked
from camanet_jax.run.workdir import TrainedRun
from camanet_jax.sharding import by_study

# Every map in the order of the tables; a system has those of its parts.
MEANING = {
    'vdm': 'visual discriminative map, against each lesion',
    'class_map': "class activation map of the lesion's own observation",
    'tdm_generated': 'textual discriminative map of the generated report, against each lesion',
    'tdm_reference': 'textual discriminative map of the reference, against each lesion',
    'words_generated': "attention while predicting the finding's own words, where the generated report asserts it",
    'words_reference': "attention while predicting the finding's own words in the reference",
    'words_read_generated': "attention after reading them in the generated report, which VTAC's map is made of",
    'words_read_reference': 'attention after reading them in the reference',
    'vdm_any': "visual discriminative map, against all of a study's lesions together",
    'tdm_any_generated': "textual discriminative map of the generated report, against all of a study's lesions",
    'tdm_any_reference': "textual discriminative map of the reference, against all of a study's lesions",
    'lesion_itself': 'the share of each patch that the lesion covers as the map: a perfect one, for scale',
}


@dataclasses.dataclass(frozen=True)
class ExplainedStudy:
    """A study's texts 'generated' and 'reference', each with its maps."""

    words: dict[str, list[str]]  # by text
    explanations: dict[str, Explanation]  # by text, of its `words`

    def maps(self, lesion: Lesion) -> dict[str, Float[np.ndarray, ' P']]:
        """The maps to compare with a lesion, by name: those of the system, and of texts that name the finding.

        They are those of the films that the study has, P tokens; a network may have room for more.
        """
        maps = self._joint_maps() if lesion.observation == ANY else self._finding_maps(lesion)
        return {name: values[: len(lesion.share)].reshape(-1) for name, values in maps.items()}

    def _joint_maps(self) -> dict[str, np.ndarray]:
        """The maps of all findings together."""
        maps = {f'tdm_any_{text}': explanation.tdm for text, explanation in self.explanations.items()}
        maps['vdm_any'] = self.explanations['generated'].vdm
        return {name: values for name, values in maps.items() if values is not None}

    def _finding_maps(self, lesion: Lesion) -> dict[str, np.ndarray]:
        """The maps of one finding."""
        maps = {name.replace('_any', ''): values for name, values in self._joint_maps().items()}
        cams = self.explanations['generated'].cams
        if cams is not None:
            maps['class_map'] = cams[lesion.observation]
        for text, explanation in self.explanations.items():
            if positions := naming_positions(self.words[text], lesion.name):
                maps[f'words_{text}'] = explanation.predicting_attention[positions].mean(0)
                maps[f'words_read_{text}'] = explanation.reading_attention[positions].mean(0)
        return maps | {'lesion_itself': lesion.share}


def map_side(run: TrainedRun) -> int:
    """The number of rows, and of columns, of a view's map."""
    images = run.experiment.example_batch()['images']
    encode = partial(run.experiment.model().apply, method='encode')
    patches = jax.eval_shape(encode, run.variables, images).visual_tokens.shape[1]
    return round((patches // images.shape[1]) ** 0.5)


def explain_studies(
    run: TrainedRun, source: Source, positions: Sequence[int], description: str
) -> Iterator[tuple[int, ExplainedStudy]]:
    """Yields positions and explained studies of a split, in batches of at most the evaluation's size."""
    config, model = run.experiment.config, run.experiment.model()
    options = run.experiment.decoding_options()

    def write(inputs, variables, key):
        films, extras = inputs
        return decoding.generate(variables, films, key, model=model, extras=extras, **options).tokens[:, 0]

    search = by_study(write)
    load = run.experiment.study_loader(source)
    size = min(config.evaluation.batch_size, len(positions))
    starts = range(0, len(positions), size)
    for start in tracked(starts, description, len(starts)):
        chunk = list(positions[start : start + size])
        rows = [load(position) for position in chunk + [chunk[-1]] * (size - len(chunk))]  # one shape of batches
        images, extras, reference = batch_inputs(rows)
        tokens = {
            'generated': np.asarray(search((images, extras), run.variables, jax.random.key(config.seed)))[:size],
            'reference': reference,
        }
        yield from zip(chunk, explain_texts(run, images, extras, tokens), strict=False)


def batch_inputs(rows: Sequence[Example]) -> tuple[np.ndarray, dict[str, np.ndarray], Int[np.ndarray, 'B L']]:
    """Stacks the studies' films, what the network reads beside them, and the words of their references."""
    inputs = [(row['images'], row.get('extras', {}), np.append(row['tokens'][1:], np.int32(0))) for row in rows]
    return jax.tree.map(lambda *arrays: np.stack(arrays), *inputs)


def explain_texts(
    run: TrainedRun, images: np.ndarray, extras: dict[str, np.ndarray], tokens: dict[str, Int[np.ndarray, 'B L']]
) -> list[ExplainedStudy]:
    """Explains each study's texts."""
    model, tokenizer = run.experiment.model(), run.experiment.tokenizer
    explanations = {text: explain(run.variables, images, ids, extras, model=model) for text, ids in tokens.items()}
    words = {text: [tokenizer.pieces(row) for row in ids] for text, ids in tokens.items()}
    return [
        ExplainedStudy(*({text: each[i] for text, each in by_text.items()} for by_text in (words, explanations)))
        for i in range(len(images))
    ]
