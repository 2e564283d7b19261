"""Beam search and sampling inside jit. A search sees only a step function, never the model.

B studies, N beams, L report tokens, V vocabulary. Id 0 begins and ends a report. The step function reads one token of
each beam: `step(tokens [B, N], position, cache) -> (log_probs [B, N, V], cache)`. Beams are reordered by
`cache.take_beams(parents)` where the cache has such a method, and else leaf by leaf, each starting with [B, N].
"""

import inspect
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax.core import FrozenDict
from jaxtyping import Array, Float, Int

from camanet_jax import sharding
from camanet_jax.models.camanet import Camanet
from camanet_jax.models.int8 import with_rounded_kernels
from camanet_jax.models.layers import widened
from camanet_jax.models.outputs import Encoding

END = 0
Step = Callable[[Array, Array, Any], tuple[Array, Any]]
Search = Callable[..., 'Reports']


class Reports(NamedTuple):
    """Finished reports, best first.

    Attributes:
      tokens: [B, N, L], without the leading BOS, 0 after the end.
      scores: [B, N], sum of log-probabilities; -inf where fewer than N reports were found.
    """

    tokens: Int[Array, 'B N L']
    scores: Float[Array, 'B N']


class BeamState(NamedTuple):
    """The loop's state.

    Attributes:
      position: the next token's index.
      live: unfinished reports; a dead one has score -inf.
      finished: the N best finished ones so far.
      cache: what the step function carries for the live ones.
    """

    position: Int[Array, '']
    live: Reports
    finished: Reports
    cache: Any


def take_beams(tree: Any, parents: Int[Array, 'B N']) -> Any:
    """Picks beams of every leaf [B, N, ...], or as the tree itself knows how."""
    if hasattr(tree, 'take_beams'):
        return tree.take_beams(parents)

    def take(leaf):
        return jnp.take_along_axis(leaf, parents.reshape(parents.shape + (1,) * (leaf.ndim - 2)), axis=1)

    return jax.tree.map(take, tree)


def extend(state: BeamState, log_probs: Float[Array, 'B N V']) -> tuple[Reports, Int[Array, 'B N']]:
    """The best N of the N * V continuations of the live reports, and the beam each one came from."""
    beams, vocabulary = log_probs.shape[1:]
    totals = (state.live.scores[..., None] + log_probs).reshape(len(log_probs), -1)
    scores, flat = jax.lax.top_k(totals, beams)
    parents, words = flat // vocabulary, flat % vocabulary
    tokens = take_beams(state.live.tokens, parents).at[:, :, state.position].set(words)
    return Reports(tokens, scores), parents


def keep_best(finished: Reports, new: Reports) -> Reports:
    """The best N of both lists."""
    scores, kept = jax.lax.top_k(jnp.concatenate([finished.scores, new.scores], 1), finished.scores.shape[1])
    return Reports(take_beams(jnp.concatenate([finished.tokens, new.tokens], 1), kept), scores)


def read_last(step: Step, tokens: Int[Array, 'B N L'], position: Array, cache: Any):
    """Feeds the step function the token before `position` (BOS at position 0)."""
    last = jnp.where(position > 0, tokens[:, :, position - 1], END)
    return step(last, position, cache)


def beam_search(
    step: Step,
    cache: Any,
    key: Array | None = None,
    *,
    batch: int,
    max_length: int,
    beam_size: int = 3,
    full_list: bool = False,
    dtype: Any = jnp.float32,
) -> Reports:
    """Beam search without length penalty, with the exact early stop that falling scores allow.

    Every step keeps the best N continuations; those that end (all of them at `max_length` tokens) join the finished
    list and are not continued. It stops when no live report can still enter the result: the best one, or with
    `full_list` all N. `beam_size=1` is greedy decoding.

    Args:
      step: reads one token per beam. cache: its start, for `beam_size` beams per study.
      key: unused; searches share one signature.
    """
    del key
    nothing = Reports(
        jnp.zeros((batch, beam_size, max_length), jnp.int32), jnp.full((batch, beam_size), -jnp.inf, dtype)
    )
    live = nothing._replace(scores=nothing.scores.at[:, 0].set(0))  # all beams start equal: one of them is enough

    def body(state: BeamState) -> BeamState:
        log_probs, cache = read_last(step, state.live.tokens, state.position, state.cache)
        new, parents = extend(state, log_probs)
        ended = (new.tokens[:, :, state.position] == END) | (state.position == max_length - 1)
        finished = keep_best(state.finished, new._replace(scores=jnp.where(ended, new.scores, -jnp.inf)))
        live = new._replace(scores=jnp.where(ended, -jnp.inf, new.scores))
        return BeamState(state.position + 1, live, finished, take_beams(cache, parents))

    def unfinished(state: BeamState) -> Array:
        to_beat = state.finished.scores[:, -1 if full_list else 0]
        return (state.position < max_length) & (state.live.scores.max(1) > to_beat).any()

    start = BeamState(jnp.zeros((), jnp.int32), live, nothing, cache)
    return jax.lax.while_loop(unfinished, body, start).finished


def restrict(
    log_probs: Float[Array, '... V'], *, temperature: float, top_k: int, top_p: float
) -> Float[Array, '... V']:
    """Tempered log-probabilities with all but the `top_k` likeliest words, and all beyond mass `top_p`, removed."""
    tempered = jax.nn.log_softmax(log_probs / temperature)
    descending = -jnp.sort(-tempered, axis=-1)
    floor = descending[..., min(top_k, tempered.shape[-1]) - 1] if top_k else descending[..., -1]
    mass_before = jnp.cumsum(jnp.exp(descending), -1) - jnp.exp(descending)
    nucleus = jnp.where(mass_before < top_p, descending, jnp.inf).min(-1)
    return jnp.where(tempered >= jnp.maximum(floor, nucleus)[..., None], tempered, -jnp.inf)


@partial(jax.vmap, in_axes=(0, None, 0))
def draw(key: Array, position: Int[Array, ''], log_probs: Float[Array, 'N V']) -> Int[Array, ' N']:
    """A study's words at `position`, one a beam."""
    return jax.random.categorical(jax.random.fold_in(key, position), log_probs)


def sample(
    step: Step,
    cache: Any,
    key: Array,
    *,
    batch: int,
    max_length: int,
    beam_size: int = 1,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    dtype: Any = jnp.float32,
) -> Reports:
    """Draws `beam_size` reports per study, word by word; scores are the model's own log-probabilities.

    `top_k=0` and `top_p=1` keep the whole distribution. A study's words do not depend on how devices share the batch.

    Args:
      step: reads one token per beam. cache: its start, for `beam_size` beams per study.
      key: one, of which a study's is made by its index in the global batch; or [B], one a study.
    """
    keys = key if key.ndim else sharding.study_keys(key, batch)

    def body(carry):
        position, reports, alive, cache = carry
        log_probs, cache = read_last(step, reports.tokens, position, cache)
        choices = restrict(log_probs, temperature=temperature, top_k=top_k, top_p=top_p)
        words = jnp.where(alive, draw(keys, position, choices), END)
        gained = jnp.take_along_axis(log_probs, words[..., None], -1)[..., 0]
        reports = Reports(
            reports.tokens.at[:, :, position].set(words), reports.scores + jnp.where(alive, gained, 0).astype(dtype)
        )
        return position + 1, reports, alive & (words != END), cache

    start = Reports(jnp.zeros((batch, beam_size, max_length), jnp.int32), jnp.zeros((batch, beam_size), dtype))
    alive = jnp.ones((batch, beam_size), bool)
    carry = (jnp.zeros((), jnp.int32), start, alive, cache)
    reports = jax.lax.while_loop(lambda c: (c[0] < max_length) & c[2].any(), body, carry)[1]
    order = jnp.argsort(-reports.scores, axis=1)
    return Reports(take_beams(reports.tokens, order), jnp.take_along_axis(reports.scores, order, 1))


def decode_reports(
    variables: Any,
    encoding: Encoding,
    key: Array | None = None,
    *,
    model: Camanet,
    max_length: int,
    beam_size: int = 3,
    search: Search = beam_search,
    int8: bool = False,
) -> Reports:
    """Reports of encoded studies: runs `search` over cached steps.

    `search` is `beam_search` or `sample`, with its own options bound (`make_search`). With `int8` the linear layers of
    decoder and memory compute in 8-bit integers (`models.int8`).
    """
    if int8:
        variables = with_rounded_kernels(variables)
    batch = len(encoding.encoded)
    cross = model.apply(variables, encoding, method='cross_projections')
    cache = model.apply(variables, batch, beam_size, max_length, method='empty_cache')

    def step(tokens, position, cache):
        logits, _, cache = model.apply(variables, tokens, position, cache, cross, method='decode_step')
        return jax.nn.log_softmax(widened(logits)), cache

    wide = jnp.promote_types(model.dtype, jnp.float32)
    return search(step, cache, key, batch=batch, max_length=max_length, beam_size=beam_size, dtype=wide)


def generate(
    variables: Any,
    images: Array,
    key: Array | None = None,
    *,
    model: Camanet,
    extras: Mapping[str, Array] = FrozenDict(),
    **options: Any,
) -> Reports:
    """Reports of films [B, I, height, width] and the batch's extras; `options` as in `decode_reports`."""
    encoding = model.apply(variables, images, **extras, method='encode')
    return decode_reports(variables, encoding, key, model=model, **options)


SEARCHES = {'beam': beam_search, 'sample': sample}
SHARED = {'step', 'cache', 'key', 'batch', 'max_length', 'beam_size', 'dtype'}  # by all of them; others are options
OPTION_RANGES = {
    'temperature': (1e-6, math.inf),
    'top_k': (0, math.inf),
    'top_p': (1e-6, 1),
}  # outside, no word is left


def make_search(name: str, **options: Any) -> Search:
    """A search by the name in the config, with its options.

    Raises:
      ValueError: there is no such search, it has no such option, or a number is out of its range.
    """
    if name not in SEARCHES:
        raise ValueError(f'Expected a search of {sorted(SEARCHES)}, got {name!r}.')
    known = inspect.signature(SEARCHES[name]).parameters.keys() - SHARED
    if unknown := sorted(options.keys() - known):
        raise ValueError(f'search: {name!r} has no option {unknown[0]!r}, but {", ".join(sorted(known))}.')
    for option, (least, most) in OPTION_RANGES.items():
        if not least <= (value := options.get(option, most)) <= most:
            raise ValueError(f'Expected search.{option} from {least} to {most}, got {value}.')
    return partial(SEARCHES[name], **options)
