"""VTAC with some of its parts exchanged, to find out which of them decides whether words align (docs/ablation).

Names for `loss.extra`, each with VTAC's weight and `loss.vtac_weight=0`. The true map is the union of a study's
lesions, where records have masks, as synthetic ones do. It is a target only, which neither encoder nor decoder reads,
and that of the whole first film: it needs a configuration of one view that does not crop or turn films.
B studies, L report tokens, P visual tokens.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from einops import reduce
from jaxtyping import Array, Bool, Float

from camanet_jax import losses
from camanet_jax.data.image_files import open_grey
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.experiment import Experiment
from camanet_jax.extra.alignment import divergence, shares
from camanet_jax.extra.findings import own_findings_mask, tied_words
from camanet_jax.lab.alignment.lesions import patch_shares
from camanet_jax.models import Camanet, CamanetOutput
from camanet_jax.models.layers import EXACT
from camanet_jax.models.vdm import min_max
from camanet_jax.models.vtac import textual_discriminative_map

GRID = 56  # rows and columns of the true map as it is loaded; a model's own are a divisor: 7, 8, 14


def lesions(record: Mapping[str, Any], tokenizer: Tokenizer) -> Float[np.ndarray, 'GRID GRID']:
    """For `data.extras`: the share of each place of a study's first film that lesions cover."""
    del tokenizer
    share, masks = np.zeros((GRID, GRID), np.float32), record.get('masks', {'mask': (), 'view': ()})
    for mask, view in zip(masks['mask'], masks['view'], strict=True):
        if view == 0:
            share = np.maximum(share, patch_shares(np.asarray(open_grey(mask, 'mask')), GRID))
    return share.astype(np.float32)


class MaskedCamanet(Camanet):
    """For `model.network`: takes the masks, for the losses, and does not read them."""

    def encode(self, images, *, lesions=None, **options):
        del lesions
        return super().encode(images, **options)


def true_map(output: CamanetOutput, batch: losses.Batch) -> Float[Array, 'B P']:
    """The share of each token's patch that lesions cover, the largest scaled to 1; 0 without lesions."""
    places = GRID // round(output.encoding.visual_tokens.shape[1] ** 0.5)
    share = reduce(batch['extras']['lesions'], 'b (h y) (w x) -> b (h w)', 'mean', y=places, x=places)
    return min_max(share)


def true_map_similar_words(output: CamanetOutput, batch: losses.Batch) -> Float[Array, ' B']:
    """VTAC towards the true map in the VDM's place."""
    return losses.vtac_mse(output.tdm, true_map(output, batch))


def vdm_mean_of_words(output: CamanetOutput, batch: losses.Batch) -> Float[Array, ' B']:
    """VTAC with the weighted mean over the selected words in place of the maximum (equation 16)."""
    del batch
    weights = output.selection * jnp.maximum(output.word_similarity, 0)
    return losses.vtac_mse(mean_map(output.word_attention, weights), output.encoding.vdm)


def mean_map(rows: Float[Array, 'B L P'], weights: Float[Array, 'B L']) -> Float[Array, 'B P']:
    """The weighted mean of words' scaled maps, 0 without such a word."""
    mean = jnp.einsum('bl,blp->bp', weights, min_max(rows), precision=EXACT)
    return mean / jnp.maximum(weights.sum(-1, keepdims=True), 1e-6)


class VdmOwnWords:
    """VTAC with the words that name a study's findings, weighted alike, in place of the most similar ones."""

    def __init__(self, experiment: Experiment):
        self.tied = tied_words(experiment)

    def __call__(self, output: CamanetOutput, batch: losses.Batch) -> Float[Array, ' B']:
        return losses.vtac_mse(self.map(output, batch), output.encoding.vdm)

    def map(self, output: CamanetOutput, batch: losses.Batch) -> Float[Array, 'B P']:
        """The TDM of these words (equation 15)."""
        rows, weights = self.words(output, batch)
        return textual_discriminative_map(rows, weights, weights, weight='none')

    def words(self, output: CamanetOutput, batch: losses.Batch) -> tuple[Float[Array, 'B L P'], Float[Array, 'B L']]:
        """Rows of attention, and 1 for those of the words: the rows that read them, as VTAC's."""
        read = jnp.pad(self.own(batch), ((0, 0), (1, 0)))  # target l is input l + 1
        return output.word_attention, read[:, :-1].astype(output.word_attention.dtype)

    def own(self, batch: losses.Batch) -> Bool[Array, 'B L']:
        """The targets that name a finding of their study."""
        return own_findings_mask(self.tied, batch).any(-1) & (batch['token_mask'][:, 1:] > 0)


class TrueMapOwnWords(VdmOwnWords):
    """Both exchanged: the true map, and the words that name its lesions."""

    def __call__(self, output: CamanetOutput, batch: losses.Batch) -> Float[Array, ' B']:
        return losses.vtac_mse(self.map(output, batch), true_map(output, batch))


class TrueMapPredictedWords(TrueMapOwnWords):
    """As well the rows: those that predict the words."""

    def words(self, output: CamanetOutput, batch: losses.Batch) -> tuple[Float[Array, 'B L P'], Float[Array, 'B L']]:
        """Rows of attention, and 1 for those that predict the words."""
        return output.predicting_attention, self.own(batch).astype(output.predicting_attention.dtype)


class TrueMapOwnMass(TrueMapOwnWords):
    """The true map, its words, and in place of scaled maps' squared difference the divergence of their masses."""

    def __call__(self, output: CamanetOutput, batch: losses.Batch) -> Float[Array, ' B']:
        return divergence(true_map(output, batch), self.attention(*self.words(output, batch)))

    def attention(self, rows: Float[Array, 'B L P'], weights: Float[Array, 'B L']) -> Float[Array, 'B P']:
        """The words' attention, of any sum."""
        return jnp.einsum('blp,bl->bp', rows, weights, precision=EXACT)


class TrueMapPredictedMass(TrueMapOwnMass, TrueMapPredictedWords):
    """All of these exchanged: the true map, words, rows and measure."""


class TrueMapOwnDivergence(TrueMapOwnWords):
    """The true map, its words, and in the squares' place the divergence of that map and the largest scaled one."""

    def __call__(self, output: CamanetOutput, batch: losses.Batch) -> Float[Array, ' B']:
        return divergence(true_map(output, batch), self.map(output, batch))


class TrueMapOwnMean(TrueMapOwnWords):
    """The true map, its words, and in the maximum's place the mean of their scaled maps."""

    def map(self, output: CamanetOutput, batch: losses.Batch) -> Float[Array, 'B P']:
        """The mean of the words' scaled maps."""
        return mean_map(*self.words(output, batch))


class TrueMapOwnMaximumMass(TrueMapOwnMass):
    """The maximum put back: the divergence of the true map and the words' largest attention."""

    def attention(self, rows: Float[Array, 'B L P'], weights: Float[Array, 'B L']) -> Float[Array, 'B P']:
        """The words' largest attention to each token."""
        return (rows * weights[..., None]).max(1)


class TrueMapOwnScaledMass(TrueMapOwnMass):
    """The scaling put back: the divergence of the true map and the sum of the words' scaled maps."""

    def attention(self, rows: Float[Array, 'B L P'], weights: Float[Array, 'B L']) -> Float[Array, 'B P']:
        """The words' attention, each scaled to [0, 1]."""
        return super().attention(min_max(rows), weights)


class TrueMapOwnSquares(TrueMapOwnMass):
    """The squares put back: the squared difference of both masses, summed over tokens."""

    def __call__(self, output: CamanetOutput, batch: losses.Batch) -> Float[Array, ' B']:
        target, attention = true_map(output, batch), self.attention(*self.words(output, batch))
        squares = jnp.square(shares(attention) - shares(target)).sum(-1)
        return jnp.where((target.sum(-1) > 0) & (attention.sum(-1) > 0), squares, 0)
