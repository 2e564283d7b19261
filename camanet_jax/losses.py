"""The objective (equation 19): a table of losses, one row each, and their sums, means and total.

B studies, P visual tokens, Y observations, L report tokens, V vocabulary, D width. The mean of a loss is its sum over
studies, divided by a count over the whole global batch. Sums and counts are taken separately, so that accumulated or
sharded batches give the same loss as one large batch.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from einops import rearrange
from jaxtyping import Array, Bool, Float, Int

from camanet_jax import sharding
from camanet_jax.models.layers import EXACT, widened
from camanet_jax.models.outputs import CamanetOutput

Batch = Mapping[str, Array]


def report_nll(
    logits: Float[Array, 'B L V'], targets: Int[Array, 'B L'], mask: Float[Array, 'B L']
) -> Float[Array, ' B']:
    """Negative log-likelihood of each report, summed over its target tokens (equation 18)."""
    return (token_nll(logits, targets) * mask).sum(-1)


def mean_report_nll(
    logits: Float[Array, 'B L V'], targets: Int[Array, 'B L'], mask: Float[Array, 'B L']
) -> Float[Array, ' B']:
    """Negative log-likelihood of each report, divided by its own number of target tokens."""
    return report_nll(logits, targets, mask) / jnp.maximum(mask.sum(-1), 1)


@jax.custom_vjp
def token_nll(logits: Float[Array, 'B L V'], targets: Int[Array, 'B L']) -> Float[Array, 'B L']:
    """Negative log-likelihood of each target token, in at least float32."""
    return token_nll_forward(logits, targets)[0]


def token_nll_forward(logits, targets):
    """Saves the logits as they are and one number a token; left to itself, JAX would save float32 exponentials too."""
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
    """Binary cross-entropy of each study's pseudo-labels, summed over its observations; NaN labels are ignored."""
    known = ~jnp.isnan(labels)
    return (optax.sigmoid_binary_cross_entropy(widened(class_logits), jnp.nan_to_num(labels)) * known).sum(-1)


def vtac_mse(tdm: Float[Array, 'B P'], vdm: Float[Array, 'B P']) -> Float[Array, ' B']:
    """Mean squared difference of the two discriminative maps (equation 17); no gradient reaches the VDM."""
    return jnp.square(tdm - jax.lax.stop_gradient(vdm)).mean(-1)


def contrastive(
    image: Float[Array, 'B D'], text: Float[Array, 'B D'], scale: Float[Array, ''], valid: Bool[Array, ' B']
) -> Float[Array, ' B']:
    """Symmetric image-text contrastive loss, mean of both directions (CLIP; paper section IV-G).

    Each of this device's studies is compared with those of all devices, but not with rows that only pad the batch.
    """
    image, text = (x / jnp.linalg.norm(x, axis=-1, keepdims=True) for x in (image, text))
    images, texts = (rearrange(sharding.gather(x), 'devices b d -> (devices b) d') for x in (image, text))
    pairs = sharding.study_numbers(len(image))
    own = pairs[:, None] == jnp.arange(len(images))  # kept where it pads, too: the loss of such a row stays finite
    compared = own | sharding.gather(valid).ravel()

    def one_way(one, other):
        logits = jnp.where(compared, jnp.matmul(scale * one, other.T, precision=EXACT), -jnp.inf)
        return optax.softmax_cross_entropy_with_integer_labels(logits, pairs)

    return (one_way(image, texts) + one_way(text, images)) / 2


def target_tokens(batch: Batch) -> Float[Array, ' B']:
    """Number of each report's target tokens."""
    return batch['token_mask'][:, 1:].sum(-1)


def known_labels(batch: Batch) -> Int[Array, ' B']:
    """Number of each study's pseudo-labels."""
    return (~jnp.isnan(batch['labels'])).sum(-1)


def positive(batch: Batch) -> Bool[Array, ' B']:
    """Studies with at least one positive pseudo-label."""
    return (batch['labels'] > 0).any(-1)


def studies(batch: Batch) -> Bool[Array, ' B']:
    """All studies, without the rows that only pad the batch."""
    return batch['valid']


class Loss(NamedTuple):
    """A row of the table.

    Attributes:
      title: of its curves. equation: where the paper has it.
      per_study: gives one value for each study.
      inputs: its arguments, from the model's output and the batch. A system that lacks one of them has no such loss.
      denominator: what each study adds to the number that the sum is divided by; a study that adds 0 is left out.
      weight: the field of `config.loss` that holds its weight in the total; None for a loss that a configuration adds.
    """

    title: str
    equation: str
    per_study: Callable[..., Array]
    inputs: Callable[[CamanetOutput, Batch], tuple[Any, ...]]
    denominator: Callable[[Batch], Array]
    weight: str | None


Losses = Mapping[str, Loss]
LOSSES = {
    'report_nll': Loss(
        'Report NLL per word',
        '18',
        report_nll,
        lambda output, batch: (output.logits, batch['tokens'][:, 1:], batch['token_mask'][:, 1:]),
        target_tokens,
        'report_weight',
    ),
    'pseudo_label_bce': Loss(
        'Pseudo-label BCE',
        'in 19',
        pseudo_label_bce,
        lambda output, batch: (output.encoding.class_logits, batch['labels']),
        known_labels,
        'pseudo_label_weight',
    ),
    'vtac_mse': Loss(
        'VTAC MSE',
        '17',
        vtac_mse,
        lambda output, batch: (output.tdm, output.encoding.vdm),
        positive,
        'vtac_weight',
    ),
    'contrastive': Loss(
        'Contrastive loss',
        'section IV-G',
        contrastive,
        lambda output, batch: (
            output.image_embedding,
            output.text_embedding,
            output.contrastive_scale,
            batch['valid'],
        ),
        studies,
        'contrastive_weight',
    ),
}


REPORT_MEANS = {'tokens': (report_nll, target_tokens), 'reports': (mean_report_nll, studies)}


def report_loss(mean: str) -> Loss:
    """The report's row of the table: a mean over the batch's target tokens, or over the reports' own means."""
    if mean not in REPORT_MEANS:
        raise ValueError(f'Expected loss.report_mean to be one of {sorted(REPORT_MEANS)}, got {mean!r}.')
    per_study, denominator = REPORT_MEANS[mean]
    return LOSSES['report_nll']._replace(per_study=per_study, denominator=denominator)


def extra_loss(per_study: Callable[[CamanetOutput, Batch], Array]) -> Loss:
    """The row of a loss that a configuration adds, a mean over studies; `config.loss.extra_weights` has its weight."""
    return Loss('', '', per_study, lambda output, batch: (output, batch), studies, None)


def weights(config: Mapping[str, Any]) -> dict[str, float]:
    """Weights of the table's losses from the fields of `config.loss`."""
    return {name: float(config[loss.weight]) for name, loss in LOSSES.items()}


def counted(name: str, loss: Loss, values: Array, batch: Batch) -> Float[Array, ' B']:
    """Values per study, 0 where a study does not count or only pads the batch."""
    valid = batch['valid']
    if jnp.shape(values) != valid.shape:
        raise ValueError(
            f'loss.extra, {name}: expected one value for each of {len(valid)} studies, got shape {jnp.shape(values)}.'
        )
    return jnp.where((loss.denominator(batch) > 0) & valid, values, 0)


def terms(output: CamanetOutput, batch: Batch, losses: Losses = LOSSES) -> dict[str, Float[Array, ' B']]:
    """The losses that this system has, for each study."""
    inputs = {name: loss.inputs(output, batch) for name, loss in losses.items()}
    return {
        name: counted(name, losses[name], losses[name].per_study(*given), batch)
        for name, given in inputs.items()
        if all(value is not None for value in given)
    }


def sums(output: CamanetOutput, batch: Batch, losses: Losses = LOSSES) -> dict[str, Array]:
    """The losses that this system has, summed over studies."""
    return {name: values.sum() for name, values in terms(output, batch, losses).items()}


def denominators(batch: Batch, losses: Losses = LOSSES) -> dict[str, Array]:
    """The number that each sum is divided by: of target tokens, pseudo-labels, positive studies, studies."""
    return {name: (loss.denominator(batch) * batch['valid']).sum() for name, loss in losses.items()}


def means(sums: Mapping[str, Array], denominators: Mapping[str, Array]) -> dict[str, Array]:
    """The unweighted losses; 0 where nothing counts."""
    return {name: value / (denominators[name] + (denominators[name] == 0)) for name, value in sums.items()}


def total(means: Mapping[str, Array], weights: Mapping[str, Array | float]) -> Array:
    """The objective (equation 19) from the unweighted losses."""
    return sum(weights[name] * value for name, value in means.items())
