"""Steady-state wall time of programs: warm-up left out, results awaited, several programs measured in turn."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

SHORTEST_SAMPLE = 0.05  # seconds; faster programs are called several times and waited for once
MOST_CALLS = 200


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds of one call over the repeats; `processor` is the processor time that this process spent meanwhile.

    On a CPU that others use too, `processor` is steadier than `median`.
    """

    median: float
    minimum: float
    maximum: float
    processor: float

    def times(self, calls: int) -> 'Timing':
        """The time of this many calls."""
        return Timing(*(calls * value for value in dataclasses.astuple(self)))

    def as_dict(self) -> dict[str, float]:
        """The times with units in their names."""
        return {f'{name}_seconds': value for name, value in dataclasses.asdict(self).items()}


def measure(programs: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, Timing]:
    """Times programs that return arrays.

    They take turns within each repeat, so that a machine that slows down for a while slows all of them and ratios
    between them hold.

    Args:
      programs: compiled already; each is called twice before the first sample.
      repeats: samples of each.
    """
    calls = {name: calls_per_sample(run) for name, run in programs.items()}
    samples = {name: [] for name in programs}
    for _ in range(repeats):
        for name, run in programs.items():
            samples[name].append(sample(run, calls[name]))
    return {name: summary(times) for name, times in samples.items()}


def calls_per_sample(run: Callable[[], Any]) -> int:
    """Warms up, and finds how many calls make a sample long enough to be timed well."""
    sample(run, 1)
    seconds, _ = sample(run, 1)
    return max(1, min(MOST_CALLS, round(SHORTEST_SAMPLE / max(seconds, 1e-9))))


def sample(run: Callable[[], Any], calls: int) -> tuple[float, float]:
    """Wall and processor seconds per call."""
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(calls):
        result = run()
    jax.block_until_ready(result)
    return (time.perf_counter() - wall) / calls, (time.process_time() - processor) / calls


def summary(samples: list[tuple[float, float]]) -> Timing:
    """Summarises (wall, processor) samples."""
    wall, processor = zip(*samples, strict=True)
    return Timing(statistics.median(wall), min(wall), max(wall), statistics.median(processor))


def split(through: Mapping[str, Timing]) -> list[dict[str, Any]]:
    """Rows of a time split from programs of which each does the work of the one before and some more.

    A part's seconds are the difference between its program and the one before; they can come out slightly negative
    where a part is faster than the noise.
    """
    whole = list(through.values())[-1]
    rows, before, processor_before = [], 0.0, 0.0
    for name, timing in through.items():
        seconds = timing.median - before
        rows.append(
            {
                'part': name,
                'seconds': seconds,
                'share': seconds / whole.median,
                'processor_seconds': timing.processor - processor_before,
                'through_seconds': timing.median,
                'through_minimum_seconds': timing.minimum,
                'through_maximum_seconds': timing.maximum,
            }
        )
        before, processor_before = timing.median, timing.processor
    return rows
