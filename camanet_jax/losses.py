"""The terms of the objective, per study, named as in the paper (equations 17 to 19; SPEC section 6).

B studies, P visual tokens, Y observations, L report tokens, V vocabulary, D width. A term is a sum over studies divided
by a count over the whole global batch; counts are taken separately, so that accumulated or sharded batches give the
same loss as one large batch.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from einops import rearrange
from jaxtyping import Array, Bool, Float, Int

from camanet_jax import sharding
from camanet_jax.models.layers import widened
from camanet_jax.models.outputs import CamanetOutput
from camanet_jax.models.vtac import SelectionCounts

Batch = Mapping[str, Array]
# Functions of output and batch that give one value per study, by the names under which they are logged.
ExtraLosses = Mapping[str, Callable[[CamanetOutput, Batch], Array]]
NO_LOSSES: ExtraLosses = MappingProxyType({})
TERMS = 'report_nll', 'pseudo_label_bce', 'vtac_mse', 'contrastive'


class Objective(NamedTuple):
    """Numbers of the objective that may change without recompiling the step.

    Attributes:
      pseudo_label_weight: lambda of equation 19. vtac_weight: delta. contrastive_weight: of the CLIP ablation.
      counts: how many words VTAC selects (`vtac.selection_counts`), which holds k.
      extra_weights: of the losses that a configuration adds, by name.
    """

    pseudo_label_weight: float
    vtac_weight: float
    contrastive_weight: float
    counts: SelectionCounts
    extra_weights: Mapping[str, float] = {}


def report_nll(
    logits: Float[Array, 'B L V'], targets: Int[Array, 'B L'], mask: Float[Array, 'B L']
) -> Float[Array, ' B']:
    """Negative log-likelihood of each report, summed over its target tokens (equation 18)."""
    return (token_nll(logits, targets) * mask).sum(-1)


@jax.custom_vjp
def token_nll(logits: Float[Array, 'B L V'], targets: Int[Array, 'B L']) -> Float[Array, 'B L']:
    """Negative log-likelihood of each target token, in at least float32."""
    return token_nll_forward(logits, targets)[0]


def token_nll_forward(logits, targets):
    """Saves the logits as they are and one number a token: by itself JAX would save exponentials in float32 too."""
    normaliser = jax.nn.logsumexp(widened(logits), axis=-1)
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return normaliser - widened(chosen), (logits, targets, normaliser)


def token_nll_backward(saved, gradient):
    """Probabilities, less one at the target."""
    logits, targets, normaliser = saved
    probabilities = jnp.exp(widened(logits) - normaliser[..., None])
    at_target = jnp.arange(logits.shape[-1]) == targets[..., None]
    return ((probabilities - at_target) * gradient[..., None]).astype(logits.dtype), None


token_nll.defvjp(token_nll_forward, token_nll_backward)


def pseudo_label_bce(class_logits: Float[Array, 'B Y'], labels: Float[Array, 'B Y']) -> Float[Array, ' B']:
    """Binary cross-entropy of each study's pseudo-labels, summed over its observations; NaN labels count nothing."""
    known = ~jnp.isnan(labels)
    return (optax.sigmoid_binary_cross_entropy(widened(class_logits), jnp.nan_to_num(labels)) * known).sum(-1)


def vtac_mse(tdm: Float[Array, 'B P'], vdm: Float[Array, 'B P']) -> Float[Array, ' B']:
    """Mean squared difference of the two discriminative maps (equation 17); no gradient reaches the VDM."""
    return jnp.square(tdm - jax.lax.stop_gradient(vdm)).mean(-1)


def contrastive(image: Float[Array, 'B D'], text: Float[Array, 'B D'], scale: Float[Array, '']) -> Float[Array, ' B']:
    """Symmetric image-text contrastive loss, mean of both directions (CLIP; paper section IV-G).

    Each of this device's studies is compared with those of all devices.
    """
    image, text = (x / jnp.linalg.norm(x, axis=-1, keepdims=True) for x in (image, text))
    images, texts = (rearrange(sharding.gather(x), 'devices b d -> (devices b) d') for x in (image, text))
    pairs = sharding.study_numbers(len(image))
    both = [
        optax.softmax_cross_entropy_with_integer_labels(scale * one @ other.T, pairs)
        for one, other in ((image, texts), (text, images))
    ]
    return sum(both) / 2


def counts(batch: Batch, extra: ExtraLosses = NO_LOSSES) -> dict[str, Array]:
    """What each term is divided by: target tokens, pseudo-labels, studies with a positive pseudo-label, studies."""
    raw = {
        'report_nll': (batch['token_mask'][:, 1:] * batch['valid'][:, None]).sum(),
        'pseudo_label_bce': (~jnp.isnan(batch['labels']) * batch['valid'][:, None]).sum(),
        'vtac_mse': positive(batch).sum(),
        **dict.fromkeys(('contrastive', *extra), batch['valid'].sum()),
    }
    return {name: jnp.maximum(count, 1) for name, count in raw.items()}


def positive(batch: Batch) -> Bool[Array, ' B']:
    """Studies with at least one positive pseudo-label."""
    return (batch['labels'] > 0).any(-1) & batch['valid']


def terms(output: CamanetOutput, batch: Batch, extra: ExtraLosses = NO_LOSSES) -> dict[str, Float[Array, ' B']]:
    """Each term of this system, and each of `extra`, for each study; zero where a study does not count."""
    valid = batch['valid']
    found = {'report_nll': report_nll(output.logits, batch['tokens'][:, 1:], batch['token_mask'][:, 1:]) * valid}
    if output.encoding.vdm is not None:
        found['pseudo_label_bce'] = pseudo_label_bce(output.encoding.class_logits, batch['labels']) * valid
    if output.tdm is not None:
        found['vtac_mse'] = vtac_mse(output.tdm, output.encoding.vdm) * positive(batch)
    if output.contrastive_scale is not None:
        loss = contrastive(output.image_embedding, output.text_embedding, output.contrastive_scale)
        found['contrastive'] = loss * valid
    return found | {name: extra_term(name, loss(output, batch), valid) for name, loss in extra.items()}


def extra_term(name: str, values: Array, valid: Bool[Array, ' B']) -> Float[Array, ' B']:
    """What an extra loss returned, without the rows that only pad the batch."""
    if jnp.shape(values) != valid.shape:
        raise ValueError(
            f'loss.extra, {name}: expected one value for each of {len(valid)} studies, got shape {jnp.shape(values)}.'
        )
    return jnp.where(valid, values, 0)


def total(means: dict[str, Array], objective: Objective) -> Array:
    """The objective (equation 19) from the unweighted terms."""
    weights = {
        'report_nll': 1.0,
        'pseudo_label_bce': objective.pseudo_label_weight,
        'vtac_mse': objective.vtac_weight,
        'contrastive': objective.contrastive_weight,
        **objective.extra_weights,
    }
    return sum(weights[name] * value for name, value in means.items())
