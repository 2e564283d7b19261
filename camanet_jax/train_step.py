"""One optimisation step as a pure function, and the state it carries.

A step sees the global batch: denominators and BatchNorm statistics are those of all devices together. Gradients are
made on every device from its own studies and summed over devices once, after the last accumulated part. Batches are
dicts as `camanet_jax.data.pipeline` makes them.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from einops import rearrange
from flax import struct
from jax import Array
from jax.sharding import Mesh

from camanet_jax import losses, sharding
from camanet_jax.models.camanet import Camanet, input_mask
from camanet_jax.models.vtac import effective_number
from camanet_jax.optim import LearningRates, freeze


class TrainState(struct.PyTreeNode):
    """State carried from step to step: updates made, parameters, running statistics, optimiser state."""

    step: Array
    params: Any
    batch_stats: Any
    opt_state: Any

    @property
    def variables(self) -> dict[str, Any]:
        """Parameters and running statistics as the model takes them."""
        return {'params': self.params, 'batch_stats': self.batch_stats}


def init_state(model: Camanet, tx: optax.GradientTransformation, key: Array, batch: dict[str, Any]) -> TrainState:
    """A fresh state for batches of this shape."""
    inputs = batch['images'], batch['tokens'][:, :-1], batch.get('extras', {})
    images, tokens, extras = jax.tree.map(lambda x: jnp.zeros((1, *x.shape[1:]), x.dtype), inputs)
    variables = model.init(key, images, tokens, **extras)
    params = variables['params']
    return TrainState(jnp.zeros((), jnp.int32), params, variables.get('batch_stats', {}), tx.init(params))


def forward(variables, batch, key, width, *, model: Camanet):
    """Training-mode pass. Returns the model's output and the new running statistics.

    `width` is the longest input of the global batch.
    """
    output, changed = model.apply(
        variables,
        batch['images'],
        batch['tokens'][:, :-1],
        width,
        labels=batch['labels'],
        train=True,
        **batch.get('extras', {}),
        rngs={'dropout': key},
        mutable=['batch_stats'],
    )
    return output, changed.get('batch_stats', {})  # none without BatchNorm


class WholeBatch(NamedTuple):
    """Counts of the global batch that every device and accumulated part needs.

    Attributes:
      denominators: of each loss (`losses.denominators`).
      studies: their number.
      width: tokens of the longest input.
    """

    denominators: dict[str, Array]
    studies: Array
    width: Array

    @classmethod
    def of(cls, batch: dict[str, Array], table: losses.Losses) -> 'WholeBatch':
        """Counts the global batch."""
        width = input_mask(batch['tokens'][:, :-1]).sum(1).max()
        return cls(losses.denominators(batch, table), batch['valid'].sum(), width)


def train_step(
    state: TrainState,
    batch: dict[str, Array],
    key: Array,
    weights: dict[str, float],
    rates: LearningRates,
    *,
    model: Camanet,
    tx: optax.GradientTransformationExtraArgs,
    accumulate: int = 1,
    table: losses.Losses = losses.LOSSES,
    frozen: Sequence[str] = (),
    mesh: Mesh | None = None,
) -> tuple[TrainState, dict[str, Array]]:
    """One update.

    Args:
      state: donated by the caller's jit.
      batch: the global batch.
      key: the run's root key; the step's own is folded in.
      weights, rates: traced numbers: weights of the losses and learning rates.
      accumulate: parts that the batch is cut into, one after the other, to save memory. Losses and gradients are those
        of the whole batch, but BatchNorm normalises each part by itself, and the contrastive loss would compare the
        studies of a part alone (`Experiment.check` refuses it).
      table: the losses; those that a configuration adds see the studies of one device, and of one part.
      frozen: patterns of the parameters that stay as they are (`optim.freeze`).
      mesh: the devices that share the batch; None for one.

    Returns:
      The new state and the unweighted losses, norms and shares of this step.
    """
    key = jax.random.fold_in(key, state.step)
    make = partial(gradients, model=model, accumulate=accumulate, table=table, frozen=frozen)
    grads, batch_stats, metrics = sharding.over_devices(make, mesh)(
        batch, state.variables, key, weights, WholeBatch.of(batch, table)
    )

    updates, opt_state = tx.update(grads, state.opt_state, state.params, rates=rates)
    params = optax.apply_updates(state.params, updates)
    metrics |= {
        'loss': losses.total({name: metrics[name] for name in metrics if name in table}, weights),
        'gradient_norm': optax.tree.norm(grads),
        'update_norm': optax.tree.norm(updates),
    }
    return TrainState(state.step + 1, params, batch_stats, opt_state), metrics


def gradients(batch, variables, key, weights, whole: WholeBatch, *, model: Camanet, accumulate: int, table, frozen):
    """Gradients of the objective, new running statistics and metrics; `batch` is this device's share."""

    def part_loss(params, batch_stats, part, part_key):
        variables = {'params': freeze(params, frozen), 'batch_stats': batch_stats}
        output, batch_stats = forward(variables, part, part_key, whole.width, model=model)
        means = losses.means(losses.sums(output, part, table), whole.denominators)
        return losses.total(means, weights), (batch_stats, means | shares(output, part, whole.studies))

    gradient, start = jax.grad(part_loss, has_aux=True), (variables['params'], variables['batch_stats'])
    if accumulate == 1:
        grads, (batch_stats, metrics) = gradient(*start, batch, key)
    else:
        grads, batch_stats, metrics = accumulated(gradient, *start, batch, key, accumulate)
    grads, metrics = sharding.sum_over_devices((grads, metrics))
    return grads, batch_stats, metrics


def shares(output, batch, studies: Array) -> dict[str, Array]:
    """The share of studies whose VDM is empty and the mean number of words in a TDM: this part's contributions."""
    by_study = {}
    if output.encoding.vdm is not None:
        by_study['empty_vdm_share'] = ~(output.encoding.vdm > 0).any(-1)
    if output.tdm is not None:
        by_study['effective_words'] = effective_number(output.selection)
    return {name: (values * batch['valid']).sum() / studies for name, values in by_study.items()}


def accumulated(gradient, params, batch_stats, batch, key, parts: int):
    """Sums gradients and metrics over parts of the batch; every part takes rows from all devices."""
    batch = jax.tree.map(lambda x: rearrange(x, '(b parts) ... -> parts b ...', parts=parts), batch)

    def body(carry, part_and_index):
        grads, batch_stats = carry
        part, index = part_and_index
        new, (batch_stats, metrics) = gradient(params, batch_stats, part, jax.random.fold_in(key, index))
        return (jax.tree.map(jnp.add, grads, new), batch_stats), metrics

    zeros = jax.tree.map(jnp.zeros_like, params)
    (grads, batch_stats), metrics = jax.lax.scan(body, (zeros, batch_stats), (batch, jnp.arange(parts)))
    return grads, batch_stats, jax.tree.map(lambda x: x.sum(0), metrics)
