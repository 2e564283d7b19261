"""Predicted throughput from one device to a pod, by the model of roofline.py. Nothing is run on the devices.

python scripts/benchmark.py scaling --config=configs/mimic.py --dtype=bfloat16 --batch_size=256
"""

import dataclasses
from pathlib import Path
from typing import Any

from camanet_jax.lab.benchmarks import roofline
from camanet_jax.lab.benchmarks.roofline import Hardware, Work
from camanet_jax.lab.benchmarks.study_work import count_work, least_bytes
from camanet_jax.lab.benchmarks.workload import Workload
from camanet_jax.run.files import read_json

DEVICES = 1, 8, 64
FILMS_PER_CORE = 367.0  # a second: NIH's JPEG films of 320 x 320 pixels, decoded and augmented, measured on a CPU
# Matrix and copy peaks are the manufacturers' (dense bfloat16; NVIDIA's H200 data sheet, Google Cloud's pages on TPU
# v5e and v5p). The shares of them, and all latencies, are assumptions until they are measured.
HARDWARE = (
    Hardware('H200', 989e12, 4.8e12, 0.4, 0.7, 4e-6, 50e9, 30e-6, 8, 112, 'data sheet; 400 Gb/s a GPU between hosts'),
    Hardware('TPU v5e', 197e12, 819e9, 0.5, 0.7, 2e-6, 100e9, 10e-6, 8, 112, 'cloud.google.com/tpu/docs/v5e'),
    Hardware('TPU v5p', 459e12, 2765e9, 0.5, 0.7, 2e-6, 300e9, 10e-6, 4, 104, 'cloud.google.com/tpu/docs/v5p'),
)
NOTES = (
    'A prediction, not a measurement. expected takes the bytes that XLA counted and the shares of the peaks that are '
    'assumed; best takes the bytes that a step cannot do without, the whole peaks, and products and passes at once.',
    'bound_by: what takes most of the step; input where the hosts cannot load films as fast. Studies are per device.',
)


def run(workload: Workload, hardware: Path | None = None, films_per_core: float = FILMS_PER_CORE) -> dict[str, Any]:
    """Counts the work of one study by lowering the programs, and predicts.

    Args:
      workload: whose batch sizes are those of one device.
      hardware: a JSON list of objects with the fields of `Hardware`, instead of the built-in ones.
      films_per_core: films a second that one core loads, from the `input` benchmark.
    """
    machines = HARDWARE if hardware is None else read_hardware(hardware)
    pairs = [(device, devices) for device in machines for devices in DEVICES]
    work, least = count_work(workload), least_bytes(workload)
    studies, searched = workload.config.batch_size, workload.config.evaluation.batch_size
    train_parts = {device.name: roofline.train_parts(work, device, studies, 64) for device in machines}
    decode_parts = {device.name: roofline.decode_parts(work, device, searched) for device in machines}
    return {
        'workload': workload.describe(studies),
        'one_study': dataclasses.asdict(work),
        'training': [train_row(work, least, *pair, studies, films_per_core) for pair in pairs],
        'training_split': [{'device': name, **seconds(parts)} for name, parts in train_parts.items()],
        'decoding': [decode_row(work, *pair, searched, films_per_core) for pair in pairs],
        'decoding_split': [{'device': name, **seconds(parts)} for name, parts in decode_parts.items()],
        'sources': {device.name: device.source for device in machines},
        'notes': list(NOTES),
    }


def read_hardware(path: Path) -> tuple[Hardware, ...]:
    """Reads the devices that a JSON file describes."""
    try:
        return tuple(Hardware(**fields) for fields in read_json(path))
    except (ValueError, TypeError) as error:
        names = ', '.join(field.name for field in dataclasses.fields(Hardware))
        raise ValueError(
            f'Expected --hardware to name a JSON list of objects with the fields {names}; {path}: {error}.'
        ) from error


def seconds(parts: dict[str, float]) -> dict[str, float]:
    """The parts with the unit in their names."""
    return {f'{name}_seconds': value for name, value in parts.items()}


def train_row(
    work: Work, least: float, device: Hardware, devices: int, studies: int, films_per_core: float
) -> dict[str, Any]:
    """A row of the training table."""
    loading = roofline.input_seconds(work, device, studies, devices, films_per_core)
    parts = roofline.train_parts(work, device, studies, devices)
    step, bound = roofline.pace(parts, loading)
    films = studies * devices * work.films
    best = roofline.best_step(work, device, studies, devices, least)
    return {
        'device': device.name,
        'devices': devices,
        'step_seconds': step,
        'images_per_second': films / step,
        'best_images_per_second': films / best,
        'input_images_per_second': films / loading,
        'bound_by': bound,
    }


def decode_row(work: Work, device: Hardware, devices: int, studies: int, films_per_core: float) -> dict[str, Any]:
    """A row of the decoding table."""
    loading = roofline.input_seconds(work, device, studies, devices, films_per_core)
    batch, bound = roofline.pace(roofline.decode_parts(work, device, studies), loading)
    return {
        'device': device.name,
        'devices': devices,
        'batch_seconds': batch,
        'reports_per_second': studies * devices / batch,
        'bound_by': bound,
    }
