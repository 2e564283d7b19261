"""The effect of VTAC's selection: the similarity of TDM and VDM, and the words that make the TDM.

The TDM is a maximum over selected words (equation 16), so that any of them can lower the loss, naming a finding or not.
P patches, L input tokens.
"""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.data.sources import Source
from camanet_jax.explain import teacher_forced
from camanet_jax.lab.alignment.naming import naming_positions
from camanet_jax.models import CamanetOutput
from camanet_jax.models.vdm import min_max
from camanet_jax.run.workdir import TrainedRun

SHOWN_WORDS = 4
BOUNDARY = '(start)'


class StudySelection(NamedTuple):
    """The selection in a reference report."""

    words: list[str]  # of the input, the start first
    selected: np.ndarray  # bool [L]
    finding: np.ndarray  # bool [L], True for words that name a finding
    makers: np.ndarray  # [P], the position of the word whose weighted attention is the TDM at each patch
    vdm: np.ndarray  # [P]
    tdm: np.ndarray  # [P]


def measure_selection(run: TrainedRun, source: Source) -> dict[str, Any]:
    """Measures a run with VTAC over the references of a split."""
    experiment = run.experiment
    model = experiment.model()
    studies = []
    for batch in experiment.eval_batches(source):
        inputs = batch['images'], batch['tokens'][:, :-1], batch.get('extras', {})
        output = teacher_forced(run.variables, *inputs, model=model)
        for row in np.flatnonzero(batch['valid']):
            ids = batch['tokens'][row, :-1]
            words = [BOUNDARY, *experiment.tokenizer.pieces(ids[1:])]
            labels = zip(OBSERVATIONS, source.labels[batch['index'][row]], strict=True)
            observations = [name for name, label in labels if label == 1 and name != 'No Finding']
            studies.append(study_selection(output, row, words, observations, experiment.config.model.tdm_norm))
    return summarise(studies)


def study_selection(
    output: CamanetOutput, row: int, words: list[str], observations: list[str], norm: str
) -> StudySelection:
    """The selection in one row of a teacher-forced pass; `norm` is the configuration's tdm_norm."""
    length = len(words)
    maps: Float[np.ndarray, 'L P'] = output.word_attention[row, :length]
    if norm == 'word':
        maps = np.asarray(min_max(maps))
    selection = output.selection[row, :length]
    weights = selection * np.maximum(output.word_similarity[row, :length], 0)
    finding = np.zeros(length, bool)
    finding[[position + 1 for name in observations for position in naming_positions(words[1:], name)]] = True
    makers = (weights[:, None] * maps).argmax(0)
    return StudySelection(words, selection > 0.5, finding, makers, output.encoding.vdm[row], output.tdm[row])


def summarise(studies: list[StudySelection]) -> dict[str, Any]:
    """Means over studies, and shares of words and patches over all of them."""
    abnormal = [study for study in studies if study.finding.any()]
    makers = Counter(study.words[position] for study in studies for position in study.makers)
    return {
        'tdm_vdm_correlation': float(np.mean([correlation(s.tdm, s.vdm) for s in studies if np.ptp(s.vdm) > 0])),
        'vtac_mse': float(np.mean([np.square(s.tdm - s.vdm).mean() for s in studies])),
        'empty_tdm_mse': float(np.mean([np.square(s.vdm).mean() for s in studies])),
        'selected_share': share([s.selected for s in abnormal]),
        'selected_share_of_finding_words': share([s.selected[s.finding] for s in abnormal]),
        'made_by_finding_words': share([s.finding[s.makers] for s in abnormal]),
        'makers': {word: count / makers.total() for word, count in makers.most_common(SHOWN_WORDS)},
    }


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation; 0 where the first map is uniform."""
    return float(np.corrcoef(first, second)[0, 1]) if np.ptp(first) > 0 else 0.0


def share(flags: list[np.ndarray]) -> float:
    """The share of flags that are set; 0 without flags."""
    return float(np.concatenate(flags).mean()) if flags else 0.0
