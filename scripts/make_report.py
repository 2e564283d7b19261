"""Writes report.html of a run that has been evaluated: curves, scores, and studies to explore.

    python scripts/make_report.py --workdir=runs/demo

Training and evaluation write it themselves; this is for older runs, and for another number of studies.
"""

import argparse
import sys
from pathlib import Path

from camanet_jax.reporting import run_report
from camanet_jax.run import runtime
from camanet_jax.run.command_line import expand_home
from camanet_jax.run.workdir import get_config


def main() -> None:
    """Parses the command line and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--workdir', type=Path, required=True, help='the folder of the run')
    parser.add_argument(
        '--studies',
        type=int,
        default=run_report.STUDIES,
        help='the most studies to show (default: %(default)s)',
    )
    options = parser.parse_args(expand_home(sys.argv[1:]))
    with runtime.errors_for_people():
        runtime.prepare(get_config(str(options.workdir)), options.workdir)
        print(run_report.report_of(options.workdir, options.studies))


if __name__ == '__main__':
    main()
