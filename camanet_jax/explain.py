"""Maps of where the model looked, for one study and one text, from a teacher-forced pass over that text.

I views, Y observations, L words of the text; maps keep the backbone's height and width (7 x 7 at 224 pixels).
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax.core import FrozenDict
from jaxtyping import Array, Float, Int

from camanet_jax import sharding
from camanet_jax.models import Camanet, CamanetOutput


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Maps and numbers of one study; the fields about VDM, TDM and classes are None in the Base system.

    Attributes:
      log_probs: [L], log-probability of each word given those before it.
      predicting_attention: [L, I, height, width], where the model looked when it predicted each word.
      reading_attention: [L, I, height, width], where it looked having just read each word.
      class_probabilities: [Y].
      cams: [Y, I, height, width], class activation maps.
      vdm, tdm: [I, height, width], the two discriminative maps, in [0, 1].
      word_similarity: [L], cosine of each word with the discriminative representation (equation 13).
      selected: positions of the words that VTAC selected, most similar first.
    """

    log_probs: np.ndarray
    predicting_attention: np.ndarray
    reading_attention: np.ndarray
    class_probabilities: np.ndarray | None = None
    cams: np.ndarray | None = None
    vdm: np.ndarray | None = None
    tdm: np.ndarray | None = None
    word_similarity: np.ndarray | None = None
    selected: list[int] | None = None


def teacher_forced(
    variables: Any, images: np.ndarray, tokens: np.ndarray, extras: Mapping[str, Any] = FrozenDict(), *, model: Camanet
) -> CamanetOutput:
    """One evaluation-mode pass over this process's devices (see `Camanet.__call__`); rows beyond the batch fill up.

    TDMs are those of a batch as wide as `tokens`, so that no study's depends on the others.
    """
    return jax.device_get(_teacher_forced(model)((images, tokens, dict(extras)), variables))


@functools.cache
def _teacher_forced(model: Camanet):
    def run(batch, variables):
        images, tokens, extras = batch
        return by_study_alone(model.apply(variables, images, tokens, jnp.asarray(tokens.shape[1]), **extras))

    return sharding.by_study(run)


def by_study_alone(output: CamanetOutput) -> CamanetOutput:
    """The activations that have a row for each study: all but the contrastive scale."""
    return output.replace(contrastive_scale=None)


def explain(
    variables: Any,
    images: np.ndarray,
    tokens: Int[np.ndarray, 'B L'],
    extras: Mapping[str, Any] = FrozenDict(),
    *,
    model: Camanet,
) -> list[Explanation]:
    """Explains texts given as word ids padded with 0 (no BOS), one per study [B, I, height, width] with its extras."""
    output = teacher_forced(variables, images, as_read(tokens), extras, model=model)
    return [explain_study(output, i, tokens[i], images.shape[1]) for i in range(len(tokens))]


def as_read(tokens: Int[Array, 'B L'] | Int[np.ndarray, 'B L']) -> Int[Array, 'B L+1']:
    """The input that explains a text: BOS first, and one position more, so that the last word is read too."""
    return jnp.pad(tokens, ((0, 0), (1, 0)))


def explain_study(output: CamanetOutput, i: int, words: Int[np.ndarray, ' L'], views: int) -> Explanation:
    """Study `i` of a pass whose input was BOS and then `words`."""
    length = int((words > 0).sum())
    attention = output.cross_attention[i].mean(0)
    log_probs = np.asarray(jax.nn.log_softmax(output.logits[i].astype(np.float32)))
    fields = dict(
        log_probs=log_probs[np.arange(length), words[:length]],
        predicting_attention=as_maps(attention[:length], views),
        reading_attention=as_maps(attention[1 : length + 1], views),
    )
    encoding = output.encoding
    if encoding.vdm is not None:
        fields |= dict(
            class_probabilities=1 / (1 + np.exp(-encoding.class_logits[i].astype(np.float32))),
            cams=as_maps(encoding.cams[i], views),
            vdm=as_maps(encoding.vdm[i], views),
        )
    if output.tdm is not None:
        similarity, chosen = output.word_similarity[i, 1 : length + 1], output.selection[i, 1 : length + 1] > 0.5
        order = np.argsort(-similarity, kind='stable')
        fields |= dict(
            tdm=as_maps(output.tdm[i], views),
            word_similarity=similarity,
            selected=[int(position) for position in order if chosen[position]],
        )
    return Explanation(**fields)


def as_maps(values: Float[np.ndarray, '... P'], views: int) -> Float[np.ndarray, '... I height width']:
    """Values per visual token as square maps per view."""
    side = round((values.shape[-1] // views) ** 0.5)
    return rearrange(np.asarray(values, np.float32), '... (i h w) -> ... i h w', i=views, h=side)
