"""Publishes a trained model: a folder of weights, configuration, vocabulary, model card and reference output.

    python scripts/export_model.py --workdir runs/demo --output camanet-demo

`camanet_jax.load('camanet-demo')` opens it, and --workdir takes it wherever a trained run is asked for. It holds no
code, no report text of the data set, and no path of this machine. The words of the vocabulary are in it.
"""

import argparse
import sys
from pathlib import Path

from camanet_jax.run.command_line import expand_home


def main() -> None:
    """Parses the command line and exports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--workdir', required=True, type=Path, help='of a trained run')
    parser.add_argument('--output', required=True, type=Path, help='a new folder; its name is the name of the model')
    options = parser.parse_args(expand_home(sys.argv[1:]))
    from camanet_jax.generate.export import export
    from camanet_jax.run import runtime

    runtime.set_up_logging()
    with runtime.errors_for_people():
        export(options.workdir, options.output)


if __name__ == '__main__':
    main()
