"""Losses for reports that name findings: most words of most reports are normal, and the likeliest report names none.

B studies, Y observations, L report tokens, V vocabulary.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from camanet_jax import losses
from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.experiment import Experiment, open_split
from camanet_jax.metrics.classification import FINDINGS
from camanet_jax.models.outputs import CamanetOutput

IS_FINDING = np.isin(OBSERVATIONS, FINDINGS)
MOST_STUDIES = 0.3  # a word in a larger share of the reports belongs to no observation
FEWEST_TOGETHER = 4  # reports of the observation with the word
LEAST_RATIO = 3.0  # how many times as often as by chance: the exponential of their pointwise mutual information


def tied_words(experiment: Experiment) -> Bool[np.ndarray, 'V Y']:
    """Finds the words of each finding by their pointwise mutual information with its pseudo-label in the train split.

    Id 0, the end, belongs to none, and no word to No Finding. Unlabelled studies are left out.
    """
    source, length = open_split(experiment.config, 'train'), experiment.config.data.max_seq_length
    labelled = (source.labels >= 0).any(1)
    present = source.labels[labelled] > 0  # [studies, Y]
    words = np.zeros((labelled.sum(), len(experiment.tokenizer) + 1), bool)
    for row, study in zip(words, np.flatnonzero(labelled), strict=True):
        row[experiment.tokenizer.encode(source.reports[study], length)] = True
    together = words.T.astype(int) @ present  # [V, Y]
    with_word = words.sum(0)[:, None]
    by_chance = with_word * present.mean(0)
    often = (together >= FEWEST_TOGETHER) & (together > LEAST_RATIO * by_chance)
    tied = often & (with_word < MOST_STUDIES * len(words)) & IS_FINDING
    tied[0] = False
    return tied


class FindingWords:
    """The NLL of the words that name a study's findings, once more (equation 18), as a share of all its words.

    The likeliest word after "the heart is" is a normal one in whatever film; with weight w, a finding's word counts
    1 + w times and the odds of writing it rise as much, where the film leaves a doubt.
    """

    def __init__(self, experiment: Experiment):
        self.tied = tied_words(experiment)

    def __call__(self, output: CamanetOutput, batch: losses.Batch) -> Float[Array, ' B']:
        targets, words = batch['tokens'][:, 1:], batch['token_mask'][:, 1:]
        named = own_findings_mask(self.tied, batch).any(-1)
        nll = losses.report_nll(output.logits, targets, words * named)
        return nll / jnp.maximum(words.sum(-1), 1)


def own_findings_mask(tied: Bool[np.ndarray, 'V Y'], batch: losses.Batch) -> Bool[Array, 'B L Y']:
    """Says which target words belong to which of their study's positive findings."""
    return jnp.asarray(tied)[batch['tokens'][:, 1:]] & (batch['labels'] > 0)[:, None]


def missed_findings(output: CamanetOutput, batch: losses.Batch) -> Float[Array, ' B']:
    """The part of the pseudo-labels' BCE that positive findings make, once more; 0 in the Base system.

    With weight w, a positive finding counts 1 + w times, and the classifier calls more findings present.
    """
    if output.encoding.class_logits is None:
        return jnp.zeros(len(batch['labels']))
    missed = -jax.nn.log_sigmoid(output.encoding.class_logits)
    return jnp.where((batch['labels'] > 0) & IS_FINDING, missed, 0).sum(-1) / len(OBSERVATIONS)
