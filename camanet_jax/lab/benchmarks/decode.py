"""Report generation: encoding and beam search apart, for growing report lengths.

python scripts/benchmark.py decode --config=configs/iu_xray.py --batch_size=4
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from camanet_jax import decoding, sharding
from camanet_jax.experiment import dtype
from camanet_jax.lab.benchmarks import decode_parts
from camanet_jax.lab.benchmarks.cost import Cost, achieved, cost_of
from camanet_jax.lab.benchmarks.memory import peak_memory, program_memory
from camanet_jax.lab.benchmarks.peaks import measure_peaks
from camanet_jax.lab.benchmarks.timing import Timing, measure, split
from camanet_jax.lab.benchmarks.workload import Workload

NEVER = -1e4  # bias of the end's logit: no beam ends before the last token, so none stops the search early
NOTES = (
    'Every search makes reports of exactly its length: the end is given a logit that no beam chooses.',
    'The recomputed prefix of the published search costs four times as much for twice the length; a cache about twice.',
    'speed adds the medians of encoding and of the longest search.',
    'The split comes from timing jitted loops that each do the work of the one before, for the longest length; search '
    'is what choosing words and reordering beams adds. A part can be slightly negative where it is below the noise.',
    'XLA counts a loop once: the cost is that of one round times the length, without choosing words.',
)


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
    loops = compiled_loops(workload, lengths[-1], variables, encoding)
    programs = {length: partial(search, variables, encoding) for length, search in searches.items()}
    timings = measure({'encode': partial(encode, variables, images), **loops, **programs}, repeats)

    encoding_time, search_time = timings['encode'], timings[lengths[-1]]
    seconds = encoding_time.median + search_time.median
    peaks = measure_peaks(dtype(workload.config.dtype))
    cost = search_cost(workload, lengths[-1], variables, encoding)
    return {
        'workload': workload.describe(studies) | {'beam_size': beam_size(workload)},
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


def beam_size(workload: Workload) -> int:
    """N, as configured."""
    return workload.config.search.beam_size


def encode_function(workload: Workload):
    """Jitted: (variables, films) to the encoding."""
    return jax.jit(partial(workload.experiment.model().apply, method='encode'))


def search_function(workload: Workload, length: int):
    """Jitted: (variables, encoding) to reports of `length` tokens at most."""
    options = workload.experiment.decoding_options() | {'max_length': length}
    key = jax.random.key(workload.config.seed)
    return jax.jit(partial(decoding.decode_reports, key=key, model=workload.experiment.model(), **options))


def compiled_loops(workload: Workload, length: int, variables, encoding) -> dict[str, partial]:
    """The prefixes of the search's loop, compiled, as programs without arguments."""
    model = workload.experiment.model()
    return {
        part: partial(
            jax.jit(decode_parts.loop(model, part, beam_size(workload), length)).lower(variables, encoding).compile(),
            variables,
            encoding,
        )
        for part in decode_parts.PARTS
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
    studies, beams = len(encoding.encoded), beam_size(workload)
    project = jax.jit(partial(model.apply, method='cross_projections')).lower(variables, encoding).compile()
    cache = model.apply(variables, studies, beams, length, method='empty_cache')
    round_args = variables, jnp.ones((studies, beams), jnp.int32), cache, project(variables, encoding)
    one_round = jax.jit(decode_parts.one_round(model)).lower(*round_args).compile()
    return cost_of(project).and_also(cost_of(one_round), length)
