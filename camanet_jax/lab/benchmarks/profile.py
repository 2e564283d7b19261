"""A training step's time on the device: operations by total time, by kind, and the gaps between them.

python scripts/benchmark.py profile --config=configs/mimic.py --dtype=bfloat16 --batch_size=256

On a GPU or TPU the events are the device's kernels. On a CPU they are XLA's own operations, which run on several
threads, so their times add up to more than the span.
"""

import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import jax

from camanet_jax.lab.benchmarks.train import compile_step
from camanet_jax.lab.benchmarks.workload import Workload

SHOWN = 40
# The first pattern that an operation's name matches says of what kind it is.
KINDS = (
    ('convolution', r'conv(?!ert)|cudnn|wgrad|dgrad|fprop|implicit'),
    ('product', r'gemm|cublas|dot|cutlass|nvjet|matmul'),
    ('collective', r'nccl|all.?(reduce|gather)'),
    ('copy', r'memcpy|copy|transpose|memset'),
    ('reduction', r'reduce'),
    ('loop', r'while|scan'),
    ('fusion', r'fusion'),
    ('other', r''),
)
HOST_LINES = re.compile(r'XLA|Eigen')
SUMMARIES = re.compile(r'XLA|Module|Framework|Source|Steps|Scope')  # lines of a device that repeat its kernels
NOTES = (
    'Seconds are of one step. span: from the first operation to the last. idle: what of it no operation covers.',
    'kinds go by the names of operations, a fusion by what its compiler called it.',
)


class Event(NamedTuple):
    """One operation on a device; times in nanoseconds."""

    name: str
    start: float
    end: float


def run(workload: Workload, steps: int) -> dict[str, Any]:
    """Profiles steps, after three to warm up."""
    stepper = compile_step(workload).stepper
    for _ in range(3):
        jax.block_until_ready(stepper())
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(steps):
                metrics = stepper()
            jax.block_until_ready(metrics)
        (file,) = Path(folder).rglob('*.xplane.pb')
        events = list(device_events(jax.profiler.ProfileData.from_file(str(file))))
    return {'workload': workload.describe(workload.config.batch_size), **summary(events, steps), 'notes': list(NOTES)}


def device_events(profile: Any) -> Iterable[Event]:
    """Yields the operations that ran on the devices, or on a CPU in XLA's threads."""
    devices = [plane for plane in profile.planes if plane.name.startswith('/device:')]
    for plane in devices or profile.planes:
        for line in plane.lines:
            if not SUMMARIES.search(line.name) if devices else HOST_LINES.search(line.name):
                for event in line.events:
                    yield Event(event.name, event.start_ns, event.start_ns + event.duration_ns)


def summary(events: list[Event], steps: int) -> dict[str, Any]:
    """Tables of kinds and of the longest operations, and how busy the device was, all for one step."""
    gaps = idle(events)
    span = max((event.end for event in events), default=0) - min((event.start for event in events), default=0)
    scale = 1e-9 / steps
    return {
        'step': {
            'span_seconds': span * scale,
            'idle_seconds': sum(gaps) * scale,
            'longest_idle_seconds': max(gaps, default=0) * 1e-9,
            'operations': len(events) / steps,
        },
        'kinds': table(events, steps, kind),
        'operations': table(events, steps, lambda name: re.sub(r'[._]?\d+', '', name))[:SHOWN],
    }


def kind(name: str) -> str:
    """The kind of an operation, by its name."""
    return next(called for called, pattern in KINDS if re.search(pattern, name, re.IGNORECASE))


def table(events: list[Event], steps: int, group: Any) -> list[dict[str, Any]]:
    """Seconds and number of the operations of each group in a step, the longest first."""
    seconds, count = defaultdict(float), defaultdict(int)
    for event in events:
        name = group(event.name)
        seconds[name] += 1e-9 * (event.end - event.start) / steps
        count[name] += 1
    rows = [{'of': name, 'seconds': seconds[name], 'count': count[name] / steps} for name in seconds]
    return sorted(rows, key=lambda row: -row['seconds'])


def idle(events: list[Event]) -> list[float]:
    """Stretches in nanoseconds during which nothing ran."""
    stretches, busy_until = [], None
    for event in sorted(events, key=lambda event: event.start):
        if busy_until is not None and event.start > busy_until:
            stretches.append(event.start - busy_until)
        busy_until = max(event.end, busy_until or event.end)
    return stretches
