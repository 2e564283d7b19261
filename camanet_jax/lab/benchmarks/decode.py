"""Report generation: encoding and beam search apart, for growing report lengths.

python scripts/benchmark.py decode --config=configs/iu_xray.py --batch_size=4

The search's loop is cut into prefixes: loops of as many rounds that each do the work of the one before and some more.
Whole loops are timed and not single rounds, because starting a program costs more than a round on an accelerator.
B studies, N beams, L report tokens, V vocabulary.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from camanet_jax import decoding, sharding
from camanet_jax.experiment import dtype
from camanet_jax.lab.benchmarks.cost import Cost, achieved, cost_of, measure_peaks, peak_memory, program_memory
from camanet_jax.lab.benchmarks.timing import Timing, measure, split
from camanet_jax.lab.benchmarks.workload import Workload
from camanet_jax.models.camanet import Camanet, Encoding
from camanet_jax.models.decoder import DecoderCache
from camanet_jax.models.int8 import with_rounded_kernels
from camanet_jax.models.layers import widened

NEVER = -1e4  # bias of the end's logit: no beam ends before the last token, so none stops the search early
NOTES = (
    'Every search makes reports of exactly its length: the end is given a logit that no beam chooses.',
    'The recomputed prefix of the published search costs four times as much for twice the length; a cache about twice.',
    'speed adds the medians of encoding and of the longest search.',
    'The split comes from timing jitted loops that each do the work of the one before, for the longest length; search '
    'is what choosing words and reordering beams adds. A part can be slightly negative where it is below the noise.',
    'XLA counts a loop once: the cost is that of one round times the length, without choosing words.',
)

PARTS = ('memory', 'decoder', 'vocabulary')


def run(workload: Workload, repeats: int, lengths: tuple[int, ...] = ()) -> dict[str, Any]:
    """Measures encoding and searching a batch.

    Args:
      workload: what to run.
      repeats: samples of each program.
      lengths: of the reports, ascending; by default a quarter, a half and the whole of the configured length.
    """
    studies = workload.config.evaluation.batch_size
    sharding.check_batch_size('evaluation.batch_size', studies)
    whole = workload.config.data.max_seq_length
    lengths = lengths or tuple(sorted({max(1, whole // 4), max(1, whole // 2), whole}))
    variables, images = without_end(workload.variables()), workload.batch(studies)['images']
    encode = encode_function(workload).lower(variables, images).compile()
    encoding = encode(variables, images)
    searches = {length: search_function(workload, length).lower(variables, encoding).compile() for length in lengths}
    int8 = workload.experiment.decoding_options()['int8']
    searched = with_rounded_kernels(variables) if int8 else variables
    loops = compiled_loops(workload, lengths[-1], searched, encoding)
    programs = {length: partial(search, variables, encoding) for length, search in searches.items()}
    timings = measure({'encode': partial(encode, variables, images), **loops, **programs}, repeats)

    encoding_time, search_time = timings['encode'], timings[lengths[-1]]
    seconds = encoding_time.median + search_time.median
    peaks = measure_peaks(dtype(workload.config.dtype))
    cost = search_cost(workload, lengths[-1], searched, encoding)
    return {
        'workload': workload.describe(studies) | {'beam_size': workload.config.search.beam_size, 'int8': int8},
        'speed': {'reports_per_second': studies / seconds, 'images_per_second': studies * workload.views / seconds},
        'encode': encoding_time.as_dict(),
        'search': length_rows({length: timings[length] for length in lengths}),
        'split': split({**{name: timings[name] for name in loops}, 'search': search_time}),
        'achieved': {
            'encode': achieved(cost_of(encode), encoding_time.median, peaks),
            'search': achieved(cost, search_time.median, peaks),
        },
        'peaks': peaks.as_dict(),
        'memory': peak_memory() | program_memory(searches[lengths[-1]]),
        'notes': list(NOTES),
    }


def without_end(variables: dict[str, Any]) -> dict[str, Any]:
    """The variables of a model that never ends a report by itself."""
    head = variables['params']['vocabulary_head']
    head = head | {'bias': head['bias'].at[decoding.END].set(NEVER)}
    return variables | {'params': variables['params'] | {'vocabulary_head': head}}


def encode_function(workload: Workload):
    """Jitted: (variables, films) to the encoding."""
    return by_study(workload, partial(workload.experiment.model().apply, method='encode'))


def search_function(workload: Workload, length: int):
    """Jitted: (variables, encoding) to reports of `length` tokens at most."""
    options = workload.experiment.decoding_options() | {'max_length': length}
    key = jax.random.key(workload.config.seed)
    return by_study(workload, partial(decoding.decode_reports, key=key, model=workload.experiment.model(), **options))


def by_study(workload: Workload, function: Callable[..., Any]) -> jax.stages.Wrapped:
    """Jits a program of (variables, rows of studies): every device runs it on its own, as in evaluation."""

    def own(rows, variables):
        return function(variables, rows)

    spread = sharding.over_devices(own, workload.mesh, sharding.BY_STUDY)
    return jax.jit(lambda variables, rows: spread(rows, variables))


def compiled_loops(workload: Workload, length: int, variables, encoding) -> dict[str, partial]:
    """The prefixes of the search's loop, compiled, as programs without arguments."""
    model = workload.experiment.model()
    return {
        part: partial(
            jax.jit(loop(model, part, workload.config.search.beam_size, length)).lower(variables, encoding).compile(),
            variables,
            encoding,
        )
        for part in PARTS
    }


def length_rows(timings: dict[int, Timing]) -> list[dict[str, float]]:
    """One row per length; ratios are against the row of half the length, where there is one."""
    rows = []
    for length, timing in timings.items():
        row = {'length': length, **timing.as_dict(), 'seconds_per_token': timing.median / length}
        if half := timings.get(length // 2):
            row |= {
                'ratio_to_half': timing.median / half.median,
                'processor_ratio_to_half': timing.processor / half.processor,
            }
        rows.append(row)
    return rows


def search_cost(workload: Workload, length: int, variables, encoding) -> Cost:
    """Cross-attention projections once, then `length` rounds."""
    model = workload.experiment.model()
    studies, beams = len(encoding.encoded), workload.config.search.beam_size
    project = jax.jit(partial(model.apply, method='cross_projections')).lower(variables, encoding).compile()
    cache = model.apply(variables, studies, beams, length, method='empty_cache')
    round_args = variables, jnp.ones((studies, beams), jnp.int32), cache, project(variables, encoding)
    compiled_round = jax.jit(one_round(model)).lower(*round_args).compile()
    return cost_of(project).and_also(cost_of(compiled_round), length)


def advance(model: Camanet, part: str, tokens, position, cache: DecoderCache, cross):
    """One round up to `part`. Returns the new cache and a number that depends on all that was computed."""
    if part == 'vocabulary':
        logits, _, cache = model.decode_step(tokens, position, cache, cross)
        return cache, jax.nn.log_softmax(widened(logits)).max(-1).sum()
    embedded = model.embed(tokens[..., None], position)[..., 0, :]
    memory = model.memory.step(cache.memory, model.memory.project(embedded), train=False)
    if part == 'memory':
        return cache.replace(memory=memory), widened(memory).sum()
    decoded, _, cache = model.decoder.step(embedded, memory, cross, cache, position)
    return cache, widened(decoded).sum()


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

        return jax.lax.fori_loop(0, length, body, (cache, widened(jnp.zeros((), model.dtype))))

    return program


def one_round(model: Camanet) -> Callable[..., Any]:
    """A program of (variables, tokens [B, N], cache, cross): a single round, for XLA to count."""

    def program(variables, tokens, cache, cross):
        return model.apply(variables, tokens, jnp.zeros((), jnp.int32), cache, cross, method='decode_step')

    return program
