"""Writes a ReXrank submission: its JSON of studies in, the same with `model_prediction` out.

    python scripts/rexrank.py ReXRank_IUXray_test.json predictions.json /data/iu_xray/images --workdir runs/iu_xray
    python scripts/rexrank.py --input_json_file=in.json --save_json_file=out.json --img_root_dir=DIR --workdir=RUN

The output is saved after every study, and the same command resumes after a stop. A study with missing films is read
from the remaining ones; one without any has no prediction, and the exit code is 1. OUTPUT.made_by.json records
checkpoint, configuration and options; an output that others began is refused.
"""

import argparse
import sys
from pathlib import Path

from camanet_jax.run.command_line import expand_home


def main() -> int:
    """Parses the command line and predicts; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for argument, name, text in (
        ('input_json', '--input_json_file', "ReXrank's studies"),
        ('output_json', '--save_json_file', 'the same with predictions'),
        ('img_root', '--img_root_dir', 'the folder that image_path starts from'),
    ):
        parser.add_argument(argument, nargs='?', type=Path, help=text)
        parser.add_argument(name, dest=f'{argument}_by_name', type=Path, metavar='PATH', help=argparse.SUPPRESS)
    parser.add_argument('--workdir', required=True, type=Path, help='of a trained run')
    parser.add_argument('--recase', action='store_true', help='capitals and full stops for the reports')
    parser.add_argument('--radfact', type=Path, metavar='FILE', help="RadFact's sentences, with boxes, as JSON")
    options = parser.parse_args(expand_home(sys.argv[1:]))
    names = ('input_json', 'output_json', 'img_root')
    paths = [getattr(options, name) or getattr(options, f'{name}_by_name') for name in names]
    if not all(paths):
        parser.error('expected input_json, output_json and img_root')
    from camanet_jax.generate.rexrank import predict
    from camanet_jax.metrics.protocol import Recaser
    from camanet_jax.run import runtime

    runtime.set_up_logging()
    with runtime.errors_for_people():
        return predict(*paths, options.workdir, Recaser() if options.recase else None, options.radfact)


if __name__ == '__main__':
    sys.exit(main())
