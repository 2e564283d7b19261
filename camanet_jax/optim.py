"""The optimiser of the published runs, exactly: clip by value, coupled L2, AMSGrad, two learning rates.

AMSGrad keeps the maximum of the uncorrected second moment and corrects its bias afterwards, as PyTorch does;
`optax.amsgrad` keeps the maximum of the corrected one, which gives other early steps.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import traverse_util

# The first pattern that a parameter's path matches names its group.
GROUPS = ((r'^(backbone|classifier)/', 'backbone'), (r'', 'decoder'))
# PyTorch applies no L2 to a parameter that received no gradient.
WITHOUT_GRADIENT = r'^unused_'


class LearningRates(NamedTuple):
    """Learning rates of one update, per group of parameters."""

    backbone: float
    decoder: float


class AmsgradState(NamedTuple):
    """Updates made, first moment, second moment and its running maximum."""

    count: jax.Array
    first: Any
    second: Any
    largest: Any


class Schedule(NamedTuple):
    """Linear warm-up per update, then step decay counted from the end of the warm-up; fields of `config.optimiser`.

    `schedule_lag=1` is the official program, whose update i uses the schedule's value at max(i - 1, 0).
    """

    lr_backbone: float
    lr_decoder: float
    warmup_epochs: int
    warmup_from: float
    decay_epochs: int
    decay_rate: float
    schedule_lag: int = 0

    def rates(self, update: int, steps_per_epoch: int) -> LearningRates:
        """Learning rates of an update, counted from 0; computed on the host in double precision."""
        base = LearningRates(self.lr_backbone, self.lr_decoder)
        time, warmup = max(update - self.schedule_lag, 0), self.warmup_epochs * steps_per_epoch
        if time < warmup:
            return LearningRates(*(self.warmup_from + time * ((rate - self.warmup_from) / warmup) for rate in base))
        decays = (time - warmup) // (self.decay_epochs * steps_per_epoch)
        return LearningRates(*(rate * self.decay_rate**decays for rate in base))


def warmup_and_steps(config: Mapping[str, Any], update: int, steps_per_epoch: int) -> LearningRates:
    """The rates of `Schedule` with the fields of a run's `config.optimiser`; the default of `optimiser.schedule`."""
    return Schedule(**{name: config.optimiser[name] for name in Schedule._fields}).rates(update, steps_per_epoch)


def map_paths(function, params):
    """A tree of `function(path)` in the shape of `params`; a path reads 'encoder/layer0/norm1/gamma'."""
    return traverse_util.path_aware_map(lambda path, _: function('/'.join(path)), params)


def group_of(path: str) -> str:
    """Name of the learning-rate group of a parameter."""
    return next(name for pattern, name in GROUPS if re.search(pattern, path))


def scale_by_amsgrad(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> optax.GradientTransformation:
    """m / (1 - b1^t) / (sqrt(max of v) / sqrt(1 - b2^t) + eps)."""

    def init(params):
        first, second, largest = (jax.tree.map(jnp.zeros_like, params) for _ in range(3))
        return AmsgradState(jnp.zeros((), jnp.int32), first, second, largest)

    def update(grads, state, params=None):
        del params
        count = state.count + 1
        first = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.first, grads)
        second = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, state.second, grads)
        largest = jax.tree.map(jnp.maximum, state.largest, second)

        def direction(m, v):
            # 1 - b^t exact in float32: the log in double (0.999 rounded first would change 1 - b by 1e-5), expm1 after.
            correction1, correction2 = (-jnp.expm1(count.astype(m.dtype) * math.log(b)) for b in (b1, b2))
            return m / correction1 / (jnp.sqrt(v) / jnp.sqrt(correction2) + eps)

        return jax.tree.map(direction, first, largest), AmsgradState(count, first, second, largest)

    return optax.GradientTransformation(init, update)


def scale_by_learning_rates() -> optax.GradientTransformationExtraArgs:
    """Multiplies by minus the learning rate of each parameter's group, given to `update` as `rates`."""

    def update(updates, state, params=None, *, rates: LearningRates, **extra):
        del params, extra
        groups = map_paths(group_of, updates)
        return jax.tree.map(lambda u, group: -getattr(rates, group) * u, updates, groups), state

    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


def matches(patterns: Iterable[str], path: str) -> bool:
    """Tells whether one of the patterns is found in a parameter's path."""
    try:
        return any(re.search(pattern, path) for pattern in patterns)
    except re.error as error:
        raise ValueError(f'optimiser.frozen: {error.pattern!r} is no regular expression: {error}') from error


def freeze(params: Any, patterns: Sequence[str]) -> Any:
    """The same parameters, of which those that a pattern matches pass no gradient on.

    Raises:
      ValueError: a pattern is no regular expression, or matches none.
    """
    paths = ['/'.join(path) for path in traverse_util.flatten_dict(params)]
    if unused := [pattern for pattern in patterns if not any(matches([pattern], path) for path in paths)]:
        raise ValueError(f'optimiser.frozen: {unused[0]!r} matches no parameter; there are {", ".join(sorted(paths))}')
    stays = map_paths(lambda path: matches(patterns, path), params)
    return jax.tree.map(lambda value, held: jax.lax.stop_gradient(value) if held else value, params, stays)


def make_optimiser(
    clip_value: float | None = 0.1,
    weight_decay: float = 5e-5,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    frozen: Sequence[str] = (),
) -> optax.GradientTransformationExtraArgs:
    """Gradient clipping by value, then g + weight_decay * p, then AMSGrad, then the learning rates.

    `frozen` are patterns of the parameters without a gradient (`freeze`).
    """
    without = WITHOUT_GRADIENT, *frozen
    return optax.chain(
        optax.identity() if clip_value is None else optax.clip(clip_value),
        optax.add_decayed_weights(
            weight_decay, lambda params: map_paths(lambda path: not matches(without, path), params)
        ),
        scale_by_amsgrad(b1, b2, eps),
        scale_by_learning_rates(),
    )
