"""The search's loop cut into prefixes: loops of as many rounds that each do the work of the one before and some more.

Whole loops are timed and not single rounds, because starting a program costs more than a round on an accelerator.
B studies, N beams, L report tokens, V vocabulary.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from camanet_jax.models.camanet import Camanet, Encoding
from camanet_jax.models.decoder import DecoderCache
from camanet_jax.models.layers import widened

PARTS = ('memory', 'decoder', 'vocabulary')


def advance(model: Camanet, part: str, tokens, position, cache: DecoderCache, cross):
    """One round up to `part`. Returns the new cache and a number that depends on all that was computed."""
    if part == 'vocabulary':
        logits, _, cache = model.decode_step(tokens, position, cache, cross)
        return cache, jax.nn.log_softmax(widened(logits)).max(-1).sum().astype(model.dtype)
    embedded = model.embed(tokens[..., None], position)[..., 0, :]
    memory = model.memory.step(cache.memory, model.memory.project(embedded), train=False)
    if part == 'memory':
        return cache.replace(memory=memory), memory.sum()
    decoded, _, cache = model.decoder.step(embedded, memory, cross, cache, position)
    return cache, decoded.sum()


def loop(model: Camanet, part: str, beam_size: int, length: int) -> Callable[[Any, Encoding], Any]:
    """A program of (variables, encoding): `length` rounds up to `part`."""

    def program(variables, encoding):
        batch = len(encoding.encoded)
        cross = model.apply(variables, encoding, method='cross_projections')
        cache = model.apply(variables, batch, beam_size, length, method='empty_cache')

        def body(position, carry):
            cache, total = carry
            tokens = jnp.full((batch, beam_size), 1, jnp.int32) + position % 2
            cache, number = model.apply(variables, part, tokens, position, cache, cross, method=advance)
            return cache, total + number

        return jax.lax.fori_loop(0, length, body, (cache, jnp.zeros((), model.dtype)))

    return program


def one_round(model: Camanet) -> Callable[..., Any]:
    """A program of (variables, tokens [B, N], cache, cross): a single round, for XLA to count."""

    def program(variables, tokens, cache, cross):
        return model.apply(variables, tokens, jnp.zeros((), jnp.int32), cache, cross, method='decode_step')

    return program
