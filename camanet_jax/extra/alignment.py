"""Losses that draw word attention to class activation maps, in place of VTAC or beside it.

VTAC compares maps after min-max scaling, which hides how little of the attention lies where the map is. These compare
distributions over visual tokens. No gradient reaches the maps.

B studies, P visual tokens, Y observations, L report tokens, V vocabulary.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from camanet_jax import losses
from camanet_jax.experiment import Experiment
from camanet_jax.extra.findings import own_findings_mask, tied_words
from camanet_jax.models.layers import EXACT
from camanet_jax.models.outputs import CamanetOutput

SMALLEST = 1e-6  # of a share of attention


def shares(attention: Float[Array, '... P']) -> Float[Array, '... P']:
    """The map divided by its sum; an empty one stays 0."""
    return attention / jnp.maximum(attention.sum(-1, keepdims=True), SMALLEST)


def divergence(target: Float[Array, '... P'], attention: Float[Array, '... P']) -> Float[Array, '...']:
    """KL(q || p) of two maps of any sum, 0 where a map is empty.

    Its gradient by the scores of the attention's softmax is p - q: bounded, and 0 only where the masses agree.
    """
    q, p = shares(jax.lax.stop_gradient(target)), shares(attention)
    terms = q * (jnp.log(jnp.maximum(q, SMALLEST)) - jnp.log(jnp.maximum(p, SMALLEST)))
    return jnp.where((target.sum(-1) > 0) & (attention.sum(-1) > 0), terms.sum(-1), 0)


def mass(output: CamanetOutput, batch: losses.Batch) -> Float[Array, ' B']:
    """KL(q || p): q the VDM, p the attention that predicts the words VTAC selects, by similarity; needs VTAC's system.

    It goes with `loss.vtac_weight=0`. A study whose VDM is empty counts 0.
    """
    del batch
    weights = output.selection * jax.nn.relu(output.word_similarity)  # of input words; row j - 1 predicts word j
    attention = jnp.einsum('bl,blp->bp', weights[:, 1:], output.predicting_attention[:, :-1], precision=EXACT)
    return divergence(output.encoding.vdm, attention)


class ClassWords:
    """KL(q || p), mean over the words that name a study's findings: q the maps of the word's own findings.

    p is the attention that predicts the word. Words are tied to findings by the train split (`tied_words`); a study
    without such a word counts 0. Needs VDMAE.
    """

    def __init__(self, experiment: Experiment):
        self.tied = tied_words(experiment)

    def __call__(self, output: CamanetOutput, batch: losses.Batch) -> Float[Array, ' B']:
        cams = output.encoding.cams
        maps = cams / jnp.maximum(cams.sum(-1, keepdims=True), SMALLEST)  # each class's map weighs the same
        own = own_findings_mask(self.tied, batch) & (batch['token_mask'][:, 1:] > 0)[..., None]
        wanted = jnp.einsum('bly,byp->blp', own.astype(maps.dtype), maps, precision=EXACT)
        divergences = divergence(wanted, output.predicting_attention)
        return divergences.sum(-1) / jnp.maximum(own.any(-1).sum(-1), 1)
