"""The measured maps of a study, from its generated report and from its reference.

I views, L report words, P patches of all views.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial

import jax
import numpy as np
from jaxtyping import Float

from camanet_jax.data.sources import Source
from camanet_jax.explain import Explanation, explain
from camanet_jax.generate.reporter import Reporter
from camanet_jax.lab.alignment.lesions import ANY, Lesion
from camanet_jax.lab.alignment.naming import naming_positions
from camanet_jax.run.progress import tracked
from camanet_jax.run.workdir import TrainedRun

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
        """The maps to compare with a lesion, by name: those of the system, and of texts that name the finding."""
        maps = self._joint_maps() if lesion.observation == ANY else self._finding_maps(lesion)
        return {name: values.reshape(-1) for name, values in maps.items()}

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
    reporter, model, tokenizer = Reporter(run), run.experiment.model(), run.experiment.tokenizer
    load = run.experiment.study_loader(source)
    size = min(run.experiment.config.evaluation.batch_size, len(positions))
    starts = range(0, len(positions), size)
    for start in tracked(starts, description, len(starts)):
        chunk = list(positions[start : start + size])
        rows = [load(position) for position in chunk + [chunk[-1]] * (size - len(chunk))]  # one shape of batches
        images = np.stack([row['images'] for row in rows])
        references = np.stack([np.append(row['tokens'][1:], np.int32(0)) for row in rows])  # without BOS
        explained = explain(run.variables, images, references, model=model)
        texts = zip(chunk, reporter.generate(images), references, explained, strict=False)
        for position, report, reference, explanation in texts:
            words = {'generated': report.words, 'reference': tokenizer.pieces(reference)}
            yield position, ExplainedStudy(words, {'generated': report.explanation, 'reference': explanation})
