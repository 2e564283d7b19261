"""Visual-textual attention consistency (VTAC): the textual discriminative map d^t (paper section III-B.3).

B studies, P visual tokens, L report tokens, D width. Row j of an attention map is the one whose input is token j.
Selection works by rank on static shapes; how many words are selected comes from tables made on the host, so that the
rounding is exact.
"""

import math
from fractions import Fraction
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from camanet_jax.models.layers import EXACT
from camanet_jax.models.vdm import min_max

TdmCount = Literal['words', 'official']
TdmNorm = Literal['word', 'map']
TdmWeight = Literal['similarity', 'none']
SMALLEST_NORM = 1e-8
SMALLEST_SPREAD = 1e-3  # of cosines, whose spread is about 0.04 among drawn words of 512 numbers


class SelectionCounts(NamedTuple):
    """Number of words to select: min(by_candidates[number of candidates], by_width[longest input of the batch]).

    Attributes:
      by_candidates: [L + 1], ceil(k * n).
      by_width: [L + 1], the official program's cap int(k * longest); no cap in the paper.
    """

    by_candidates: Int[Array, ' L+1']
    by_width: Int[Array, ' L+1']


def selection_counts(k: float, max_length: int, rule: TdmCount = 'words') -> SelectionCounts:
    """Tables for inputs of up to `max_length` tokens (paper: gamma = ceil(k * N), below equation 15).

    'words' computes ceil(k * n) exactly; 'official' multiplies in float32, as the official program does, which gives
    one more for some lengths, and caps the count by the width of the padded batch.
    """
    if not 0 <= k <= 1:
        raise ValueError(f'Expected a proportion k of selected words in [0, 1], got {k}; the paper uses 0.25 and 0.3.')
    lengths = range(max_length + 1)
    if rule == 'words':
        exact = [math.ceil(Fraction(str(k)) * n) for n in lengths]
        return SelectionCounts(np.array(exact, np.int32), np.full(max_length + 1, max_length, np.int32))
    if rule == 'official':
        single = [math.ceil(np.float32(k) * np.float32(n)) for n in lengths]
        return SelectionCounts(np.array(single, np.int32), np.array([int(k * n) for n in lengths], np.int32))
    raise ValueError(f"Expected tdm_count 'words' or 'official', got {rule!r}.")


def number_selected(
    counts: SelectionCounts, candidates: Bool[Array, 'B L'], batch_width: Int[Array, '']
) -> Int[Array, ' B']:
    """Number of selected candidates of each study."""
    return jnp.minimum(jnp.take(counts.by_candidates, candidates.sum(1)), jnp.take(counts.by_width, batch_width))


def cosine_similarity(words: Float[Array, 'B L D'], query: Float[Array, 'B D']) -> Float[Array, 'B L']:
    """Equation 13; norms are floored at 1e-8."""

    def unit(x):
        squared = jnp.square(x).sum(-1, keepdims=True)
        return x / jnp.sqrt(jnp.maximum(squared, SMALLEST_NORM**2))

    return jnp.einsum('bld,bd->bl', unit(words), unit(query), precision=EXACT)


def same_for_same_word(similarity: Float[Array, 'B L'], tokens: Int[Array, 'B L']) -> Float[Array, 'B L']:
    """The similarity of each word's first occurrence, so that repetitions tie and `ranks` takes the earlier one.

    Equal vectors have equal similarities but for rounding, which would choose among repetitions by batch shape.
    """
    first = (tokens[:, :, None] == tokens[:, None, :]).argmax(-1)
    return jnp.take_along_axis(similarity, first, axis=-1)


def ranks(similarity: Float[Array, 'B L'], candidates: Bool[Array, 'B L']) -> Int[Array, 'B L']:
    """Rank of each candidate, 0 for the most similar; words that are no candidates come last."""
    similarity = jnp.where(candidates, similarity, -jnp.inf)
    own, other = similarity[:, :, None], similarity[:, None, :]
    earlier = jnp.tri(similarity.shape[1], k=-1, dtype=bool)
    return ((other > own) | (other == own) & earlier).sum(-1)  # counted: accelerators sort slowly


def soft_selection(
    similarity: Float[Array, 'B L'], candidates: Bool[Array, 'B L'], counts: Int[Array, ' B'], temperature: float
) -> Float[Array, 'B L']:
    """m_j = sigmoid((s_j - t) / (T spread)), t midway between the last selected similarity and the next.

    `spread` is the standard deviation of the study's similarities, so that T means the same at every width; it and t
    carry no gradient. As T goes to 0 this becomes the selection by rank, while unselected words still receive a
    gradient.
    """
    given = jax.lax.stop_gradient(similarity)
    spread = jnp.nan_to_num(given.std(-1, where=candidates, keepdims=True))  # NaN where there is no candidate
    spread = jnp.maximum(spread, SMALLEST_SPREAD)
    fixed = jnp.where(candidates, given, -jnp.inf)
    descending = -jnp.sort(-fixed, axis=-1)
    descending = jnp.pad(descending, ((0, 0), (1, 1)), constant_values=((0, 0), (jnp.inf, -jnp.inf)))
    pick = jnp.take_along_axis(descending, jnp.stack([counts, counts + 1], -1), axis=-1)
    last, following = pick[:, 0], pick[:, 1]
    # Where all candidates are selected nothing follows, and where none is nothing is last: all or nothing.
    threshold = jnp.where(jnp.isfinite(pick).all(-1), (last + following) / 2, -jnp.inf)
    threshold = jnp.where(counts == 0, jnp.inf, threshold)[:, None]
    finite = jnp.isfinite(threshold)
    soft = nn.sigmoid((similarity - jnp.where(finite, threshold, 0)) / (temperature * spread))
    return jnp.where(candidates, jnp.where(finite, soft, threshold < 0), 0).astype(similarity.dtype)


def straight_through(hard: Array, soft: Array) -> Array:
    """`hard`, with the gradient of `soft`."""
    return jax.lax.stop_gradient(hard) + (soft - jax.lax.stop_gradient(soft))


def textual_discriminative_map(
    attention: Float[Array, 'B L P'],
    similarity: Float[Array, 'B L'],
    selection: Float[Array, 'B L'],
    *,
    norm: TdmNorm = 'word',
    weight: TdmWeight = 'similarity',
    there: Bool[Array, 'B P'] | None = None,
) -> Float[Array, 'B P']:
    """d^t: the largest weighted attention over the selected words (equations 14 to 16).

    `norm='word'` (paper) scales each word's attention to [0, 1] first, `'map'` (official) scales the result.
    `weight='none'` is equation 15, `'similarity'` equation 16 with w_j = ReLU(s_j). `there` is that of `min_max`.
    """
    maps = nn.relu(attention)
    if norm == 'word':
        maps = min_max(maps, None if there is None else there[:, None])
    if weight == 'similarity':
        selection = selection * nn.relu(similarity)
    strongest = (selection[..., None] * maps).max(1)
    return min_max(strongest, there) if norm == 'map' else strongest


def effective_number(selection: Float[Array, 'B L']) -> Float[Array, ' B']:
    """Effective number of words: (sum m)^2 / sum m^2, the number itself for equal weights; 0 without any."""
    squares = jnp.square(selection).sum(-1)
    return jnp.square(selection.sum(-1)) / jnp.where(squares > 0, squares, 1)
