"""Measures speed, memory and cost on this machine; prints a table and writes the same numbers as JSON.

    python scripts/benchmark.py train   --config=configs/mimic.py --dtype=bfloat16 --batch_size=256
    python scripts/benchmark.py train   --config=configs/mimic.py --batch_size=8 --compare=torchvision
    python scripts/benchmark.py profile --config=configs/mimic.py --dtype=bfloat16 --batch_size=256
    python scripts/benchmark.py decode  --config=configs/iu_xray.py
    python scripts/benchmark.py input   --config=configs/demo.py --step_seconds=0.05
    python scripts/benchmark.py start   --config=configs/demo.py
    python scripts/benchmark.py scaling --config=configs/mimic.py --dtype=bfloat16 --batch_size=256

Only `input` and `start` read a data set; the others generate studies of the configured shapes. `scaling` predicts and
measures nothing (docs/scaling.md).
"""

import argparse
import sys
from pathlib import Path

from camanet_jax.experiment import DTYPES
from camanet_jax.lab.benchmarks import comparison, data_input, decode, printing, profile, scaling, startup, train
from camanet_jax.lab.benchmarks.workload import read_workload
from camanet_jax.run import runtime
from camanet_jax.run.command_line import above_zero, expand_home, whole_number
from camanet_jax.run.files import write_json


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('benchmark', choices=['train', 'profile', 'decode', 'input', 'start', 'scaling'])
    parser.add_argument('--config', type=Path, required=True, metavar='FILE')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the numbers to FILE as well')
    parser.add_argument('--batch_size', type=whole_number(1), help='studies in a batch (default: as configured)')
    parser.add_argument(
        '--accumulate', type=whole_number(1), help='train: parts that a batch is cut into (default: as configured)'
    )
    parser.add_argument('--step_only', action='store_true', help='train: one compilation, the step without its split')
    parser.add_argument(
        '--compare', choices=['torchvision'], help="train: the visual extractor's step beside PyTorch's, in turns"
    )
    parser.add_argument(
        '--steps', type=whole_number(1), default=5, help='samples of each program (default: %(default)s)'
    )
    parser.add_argument('--max_seq_length', type=whole_number(1), help='tokens of a report (default: as configured)')
    parser.add_argument('--dtype', choices=DTYPES, help='of the computation (default: as configured)')
    parser.add_argument(
        '--int8',
        action='store_true',
        help="decode: the search's linear layers in 8-bit integers (default: as configured)",
    )
    parser.add_argument('--data_dir', help='input, start: folder of the data set (default: as configured)')
    parser.add_argument(
        '--lengths',
        type=whole_number(1),
        nargs='+',
        default=(),
        help='decode: report lengths (default: quarter, half and whole of max_seq_length)',
    )
    parser.add_argument(
        '--workers',
        type=whole_number(0),
        nargs='+',
        default=(),
        help='input: numbers of loading processes (default: 0 and powers of two up to the cores)',
    )
    parser.add_argument('--step_seconds', type=above_zero, help='input: time of a training step on the device to feed')
    parser.add_argument('--hardware', type=Path, metavar='FILE', help='scaling: devices of your own, a JSON list')
    parser.add_argument(
        '--films_per_core',
        type=above_zero,
        default=scaling.FILMS_PER_CORE,
        help='scaling: films a second that one core loads (default: %(default)s)',
    )
    parser.add_argument('--compile_cache', help="folder of compiled programs, or 'off' (default: as configured)")
    parser.add_argument('--small', action='store_true', help='a tiny model, to try the benchmark itself')
    options = parser.parse_args(argv)
    if options.benchmark == 'start' and options.small:
        parser.error('start runs the configuration as it is; give a small one instead of --small')
    return options


def main(argv: list[str] | None = None) -> dict:
    """Runs one benchmark and returns its numbers."""
    options = parse(argv)
    with runtime.errors_for_people():
        workload = read_workload(
            options.config,
            small=options.small,
            batch_size=options.batch_size,
            max_seq_length=options.max_seq_length,
            accumulate=options.accumulate,
            dtype=options.dtype,
            search={'int8': True} if options.int8 else None,
            data_dir=options.data_dir,
            compile_cache=options.compile_cache,
        )
        runtime.prepare(workload.config, Path('runs') / 'benchmark')
        numbers = measure(workload, options)
        result = {'benchmark': options.benchmark, **numbers, 'provenance': printing.provenance(workload.config)}
        print(printing.as_text(result))
        if options.json:
            write_json(options.json, result)
            print(f'Written: {options.json}')
    return result


def measure(workload, options: argparse.Namespace) -> dict:
    """The numbers of the chosen benchmark."""
    if options.benchmark == 'train' and options.compare:
        return comparison.run(workload, options.steps)
    if options.benchmark == 'train':
        return (train.run_step if options.step_only else train.run)(workload, options.steps)
    if options.benchmark == 'profile':
        return profile.run(workload, options.steps)
    if options.benchmark == 'decode':
        return decode.run(workload, options.steps, tuple(sorted(options.lengths)))
    if options.benchmark == 'input':
        return data_input.run(workload, options.steps, tuple(options.workers), options.step_seconds)
    if options.benchmark == 'start':
        return startup.run(workload, options.config, run_flags(options))
    return scaling.run(workload, options.hardware, options.films_per_core)


def run_flags(options: argparse.Namespace) -> list[str]:
    """The same changes to the configuration on the command line of a run."""
    fields = {
        'batch_size': options.batch_size,
        'accumulate': options.accumulate,
        'dtype': options.dtype,
        'data.max_seq_length': options.max_seq_length,
        'data_dir': options.data_dir,
    }
    return [f'--config.{field}={value}' for field, value in fields.items() if value is not None]


if __name__ == '__main__':
    main(expand_home(sys.argv[1:]))
