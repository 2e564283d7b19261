"""Compares every number with values of the authors' program; prints one line each and fails on any miss.

python scripts/check_parity.py tests/golden            # what the repository carries
python scripts/check_parity.py --x64 ../reference      # the sharp test, in double precision
python scripts/check_parity.py --device=gpu --conditioning tests/golden
"""

import argparse
import sys
from pathlib import Path

from camanet_jax.lab.parity.conditioning import UNITS, Method
from camanet_jax.lab.parity.folders import check_parity
from camanet_jax.run import runtime
from camanet_jax.run.command_line import expand_home


def main() -> int:
    """Parses the command line and runs the checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'folders',
        nargs='+',
        type=Path,
        metavar='DIR',
        help='a model folder (with reference.json), or a folder searched for those and single files',
    )
    parser.add_argument('--x64', action='store_true', help='compute everything in double precision')
    parser.add_argument('--device', default='cpu', help='cpu, gpu or tpu (default: %(default)s)')
    parser.add_argument(
        '--precision', choices=UNITS, default='float32', help='of matrix products in float32 (default: %(default)s)'
    )
    parser.add_argument(
        '--conditioning',
        action='store_true',
        help='set every limit by how far the value moves with weights moved by one unit in the last place',
    )
    parser.add_argument(
        '--config',
        type=Path,
        metavar='FILE',
        help="the network of a reference of another system (default: the recipe that the reference's 'system' names)",
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the lines to FILE as well')
    parser.add_argument(
        '--data',
        type=Path,
        metavar='DIR',
        help="root of the files that tokenizer and transforms read (default: 'data' beside DIR)",
    )
    options = parser.parse_args(expand_home(sys.argv[1:]))
    method = Method(options.x64, options.precision, options.conditioning, options.config)
    with runtime.errors_for_people():
        passed = check_parity(
            options.folders, method, device=options.device, data_root=options.data, json_path=options.json
        )
    return 0 if passed else 1


if __name__ == '__main__':
    sys.exit(main())
