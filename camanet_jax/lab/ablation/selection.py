"""The effect of VTAC's selection: how close the TDM comes to the VDM, and the words that make it.

The TDM is a maximum over selected words (equation 16), so the loss can be met by any of them, the finding's own or not.
P patches, L input tokens.
"""

from collections import Counter
from typing import Any, NamedTuple

import jax
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
    """Selection in one reference report.

    Attributes:
      words: of the input, the start first. selected: whether each was. finding: whether each names a finding.
      makers: of each patch, the place of the word whose weighted attention is the TDM there.
      vdm, tdm: [P].
    """

    words: list[str]
    selected: np.ndarray
    finding: np.ndarray
    makers: np.ndarray
    vdm: np.ndarray
    tdm: np.ndarray


def measure_selection(run: TrainedRun, source: Source) -> dict[str, Any]:
    """Measures a run with VTAC over the references of a split."""
    experiment = run.experiment
    model = experiment.model()
    studies = []
    for batch in experiment.eval_batches(source):
        output = jax.device_get(teacher_forced(run.variables, batch['images'], batch['tokens'][:, :-1], model=model))
        for row in np.flatnonzero(batch['valid']):
            ids = batch['tokens'][row, :-1]
            words = [BOUNDARY, *(experiment.tokenizer.words[i - 1] for i in ids[1:] if i)]
            studies.append(
                study_selection(
                    output,
                    row,
                    words,
                    positive_observations(source, batch['index'][row]),
                    experiment.config.model.tdm_norm,
                )
            )
    return summarise(studies)


def positive_observations(source: Source, position: int) -> list[str]:
    """The pseudo-labels that are positive, No Finding left out."""
    return [
        name
        for name, label in zip(OBSERVATIONS, source.labels[position], strict=True)
        if label == 1 and name != 'No Finding'
    ]


def study_selection(
    output: CamanetOutput, row: int, words: list[str], observations: list[str], norm: str
) -> StudySelection:
    """One row of a teacher-forced pass; `norm` is the configuration's tdm_norm."""
    length = len(words)
    maps: Float[np.ndarray, 'L P'] = output.word_attention[row, :length]
    if norm == 'word':
        maps = np.asarray(min_max(maps))
    selection = output.selection[row, :length]
    weights = selection * np.maximum(output.word_similarity[row, :length], 0)
    finding = np.zeros(length, bool)
    finding[[place + 1 for name in observations for place in naming_positions(words[1:], name)]] = True
    return StudySelection(
        words, selection > 0.5, finding, (weights[:, None] * maps).argmax(0), output.encoding.vdm[row], output.tdm[row]
    )


def summarise(studies: list[StudySelection]) -> dict[str, Any]:
    """Means over studies, and shares of words and patches over all of them."""
    abnormal = [study for study in studies if study.finding.any()]
    makers = Counter(study.words[place] for study in studies for place in study.makers)
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
    """Pearson's; 0 where the first is the same everywhere."""
    return float(np.corrcoef(first, second)[0, 1]) if np.ptp(first) > 0 else 0.0


def share(flags: list[np.ndarray]) -> float:
    """The share of flags that are set; 0 where there is none."""
    return float(np.concatenate(flags).mean()) if flags else 0.0
