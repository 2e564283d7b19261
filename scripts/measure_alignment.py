"""Measures how a run's maps fit known lesions: pointing game, energy inside, IoU at the best threshold.

    python scripts/measure_alignment.py --workdir runs/demo
    python scripts/measure_alignment.py --workdir runs/nih --boxes /data/nih_sample/boxes.json --split=all
    python scripts/measure_alignment.py --workdir runs/camanet --baseline runs/base

Writes alignment.json, and alignment_lesions.jsonl with every lesion's own scores, into the workdir, and prints the
table. --baseline compares with another run on the lesions that both have, which is measured in the same way.
"""

import argparse
import sys
from pathlib import Path

from camanet_jax.run.command_line import expand_home


def main() -> None:
    """Parses the command line, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--workdir', required=True, type=Path, help='a run with a checkpoint')
    parser.add_argument('--split', default='test', choices=('train', 'val', 'test', 'all'))
    parser.add_argument(
        '--boxes', type=Path, metavar='FILE', help='JSON list of {"id", "finding", "xywh_1024"}, for data without masks'
    )
    parser.add_argument('--baseline', type=Path, metavar='DIR', help='another run on the same data')
    parser.add_argument('--data_dir', help='where the data are now, if they have moved, or other data')
    parser.add_argument(
        '--fewer_views', choices=('error', 'mask'), help='mask: studies may have fewer films than the run reads'
    )
    parser.add_argument('--newest', action='store_true', help='the newest checkpoint, not the selected one')
    options = parser.parse_args(expand_home(sys.argv[1:]))
    from camanet_jax.lab.alignment.measurement import measure_alignment
    from camanet_jax.run import runtime

    runtime.set_up_logging()
    with runtime.errors_for_people():
        measure_alignment(**vars(options))


if __name__ == '__main__':
    main()
