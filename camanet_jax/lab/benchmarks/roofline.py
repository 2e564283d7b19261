"""A roofline model of a step on other hardware, pure arithmetic (docs/scaling.md explains it).

The seconds of a step are the sum over its kinds of work: matrix products at a share of the matrix peak, passes over
maps at a share of the copy peak, rounds of a recurrence at the latency of their operations, collectives. Input is made
at the same time; the slower of the two sets the pace. B studies, L report tokens, D width, N beams.
"""

import dataclasses
from collections.abc import Sequence

UPDATE_VALUES = 9  # AMSGrad reads parameter, gradient and three moments, and writes the parameter and the moments
ROUND_OPERATIONS = 12  # of the memory, each waiting for the one before: eight products and the work between them
BACKWARD_OPERATIONS = 2 * ROUND_OPERATIONS
LAYER_OPERATIONS = 24  # of a decoder layer that reads one token
SEARCH_OPERATIONS = 12  # embedding, vocabulary, choice and reordering of beams


@dataclasses.dataclass(frozen=True)
class Hardware:
    """A kind of device and its hosts. Rates are per second and device, public peaks unless measured."""

    name: str
    matrix: float  # operations of matrix products in the run's precision
    copy: float  # bytes read and written
    matrix_share: float  # of the matrix peak that programs reach
    copy_share: float  # of the copy peak that programs reach
    operation_seconds: float  # shortest time of an operation that waits for the one before
    link: float  # bytes that leave a device in a collective
    collective_seconds: float  # of a small collective over all devices
    devices_per_host: int
    cores: int  # of a host
    source: str  # of the numbers


@dataclasses.dataclass(frozen=True)
class Work:
    """The cost of one study, and the fixed cost of a step. `bytes` are those of passes over maps and sequences."""

    train_flops: float  # of a training step
    train_bytes: float
    encode_flops: float
    encode_bytes: float
    round_flops: float  # of one token of all beams
    round_bytes: float
    weight_bytes: float  # read in every round, whatever the batch
    films: int  # per study
    rounds: int  # tokens of a report
    decoder_layers: int
    parameters: int
    statistics: int  # collectives of BatchNorm


def train_parts(work: Work, device: Hardware, studies: int, devices: int = 1) -> dict[str, float]:
    """Seconds of a training step by kind of work; `studies` are those of one device."""
    rounds = work.rounds - 1  # the last token is a target only
    alone = {
        'products': studies * work.train_flops / (device.matrix * device.matrix_share),
        'maps': studies * work.train_bytes / (device.copy * device.copy_share),
        'recurrence': rounds * (ROUND_OPERATIONS + BACKWARD_OPERATIONS) * device.operation_seconds,
        'update': 4 * UPDATE_VALUES * work.parameters / (device.copy * device.copy_share),
    }
    if devices == 1:
        return alone | {'gradients': 0.0, 'statistics': 0.0}
    return alone | {
        'gradients': ring_seconds(4 * work.parameters, device, devices),
        'statistics': work.statistics * device.collective_seconds,
    }


def ring_seconds(size: float, device: Hardware, devices: int) -> float:
    """Seconds of an all-reduce of `size` bytes: every device sends it almost twice."""
    return 2 * (devices - 1) / devices * size / device.link + device.collective_seconds


def decode_parts(work: Work, device: Hardware, studies: int) -> dict[str, float]:
    """Seconds of encoding `studies` and of a search of full length; devices do not wait for each other."""
    matrix, copy = device.matrix * device.matrix_share, device.copy * device.copy_share
    operations = ROUND_OPERATIONS + work.decoder_layers * LAYER_OPERATIONS + SEARCH_OPERATIONS
    return {
        'products': studies * (work.encode_flops + work.rounds * work.round_flops) / matrix,
        'maps': studies * work.encode_bytes / copy,
        'cache': work.rounds * (studies * work.round_bytes + work.weight_bytes) / copy,
        'recurrence': work.rounds * operations * device.operation_seconds,
    }


def input_seconds(work: Work, device: Hardware, studies: int, devices: int, films_per_core: float) -> float:
    """Seconds of loading a batch, each host its share; a part of a host counts with its part of the cores."""
    hosts = devices / device.devices_per_host
    return studies * devices * work.films / (hosts * device.cores * films_per_core)


def best_step(work: Work, device: Hardware, studies: int, devices: int, least_bytes: float) -> float:
    """Seconds of a step at the whole peaks, if products and passes overlap and a study takes `least_bytes` only."""
    whole = dataclasses.replace(device, matrix_share=1.0, copy_share=1.0)
    parts = train_parts(dataclasses.replace(work, train_bytes=least_bytes), whole, studies, devices)
    return sum(parts.values()) - min(parts['products'], parts['maps'])


def pace(parts: dict[str, float], loading: float) -> tuple[float, str]:
    """Seconds between batches, and what sets them: the largest part of the device's time, or the input."""
    device = sum(parts.values())
    return (loading, 'input') if loading > device else (device, max(parts, key=parts.get))


def least_values(blocks: Sequence[int], growth: int, stem: int, bottleneck: int, side: int) -> float:
    """Values that a DenseNet must read and write in a training step for one film of `side` x `side` pixels.

    One pass where an operation needs all of its input first (statistics, products, concatenation), everything else
    fused. Counted by hand: with C inputs, m bottleneck channels and g new ones, a layer touches 13 C + 15 m + 10 g.
    """
    side, channels, middle = side // 2, stem, bottleneck * growth
    total = 11 * stem * side**2  # convolution, statistics, normalisation and pooling, there and back
    side //= 2
    for layers in blocks:
        for _ in range(layers):
            total += (13 * channels + 15 * middle + 10 * growth) * side**2
            channels += growth
        total += 12 * channels * side**2  # transition, or the last normalisation
        side, channels = side // 2, channels // 2
    return total
