"""Prepares a data set for training: a folder with annotation.json, labels.json and films, and its records.

    python scripts/prepare_data.py iu_xray   --source /raw/iu_xray  --output /data/iu_xray  --labels=rules
    python scripts/prepare_data.py mimic_cxr --source /raw/mimic-cxr-jpg-2.1.0 --reports /raw/mimic-cxr-reports.zip \
        --output /data/mimic_cxr
    python scripts/prepare_data.py folder    --source /raw/hospital --output /data/hospital --patient_rule='^(\\d+)-'

Then: python -m camanet_jax.main --config=... --config.data_dir=OUTPUT. The same command resumes a run that was killed.
"""

import argparse
import sys
from pathlib import Path

from camanet_jax.data.image_store import STORES
from camanet_jax.labeling.label_files import UNCERTAIN_POLICIES
from camanet_jax.preparation.mimic_cxr import SAMPLES, VIEW_CHOICES
from camanet_jax.preparation.prepare import prepare_data
from camanet_jax.preparation.sections import SECTIONS
from camanet_jax.run import runtime
from camanet_jax.run.command_line import expand_home, whole_number


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='kind', required=True)
    iu_xray = _add_kind(commands, 'iu_xray', "Open-i's archives, packed or unpacked", store='original')
    mimic = _add_kind(commands, 'mimic_cxr', 'MIMIC-CXR-JPG 2.x and the reports of MIMIC-CXR', store='256')
    folder = _add_kind(commands, 'folder', 'own data: annotation.json or a CSV', store='original')
    for each in (iu_xray, mimic):
        each.add_argument(
            '--annotation', type=Path, metavar='FILE', help="R2Gen's annotation.json, whose choices count"
        )
        each.add_argument(
            '--section', choices=SECTIONS, default=SECTIONS[0], help='what becomes the report (default: %(default)s)'
        )
        each.add_argument('--only_existing_images', action='store_true', help='leave out studies without their films')
    iu_xray.add_argument('--labels', metavar='FILE|rules', help="labels.json or CSV, or 'rules': the built-in labeler")
    mimic.add_argument(
        '--labels',
        default='chexpert',
        metavar='chexpert|negbio|rules|FILE',
        help="MIMIC-CXR-JPG's table, the built-in labeler, or a file (default: %(default)s)",
    )
    mimic.add_argument('--reports', type=Path, help='mimic-cxr-reports.zip or its folder (default: in source)')
    mimic.add_argument('--samples', choices=SAMPLES, default='image', help='one sample for each (default: %(default)s)')
    mimic.add_argument('--views', choices=VIEW_CHOICES, default='all', help='films to take (default: %(default)s)')
    folder.add_argument('--table', type=Path, metavar='FILE', help='annotation.json or CSV (default: in source)')
    folder.add_argument(
        '--original_sizes',
        type=Path,
        metavar='FILE',
        help='CSV with columns study, view_index, dicom_columns, dicom_rows: for films that lost their aspect, which '
        "training and the paper's transform restore",
    )
    folder.add_argument('--patient_rule', default='', metavar='REGEX', help='finds the patient in a study id')
    folder.add_argument('--only_look', action='store_true', help='look for images without decoding them')
    folder.add_argument('--labels', metavar='FILE|rules', help='labels instead of those in the source')
    return parser.parse_args(argv)


def _add_kind(commands, name: str, text: str, store: str) -> argparse.ArgumentParser:
    kind = commands.add_parser(name, help=text, description=text)
    kind.add_argument('--source', type=Path, required=True, metavar='DIR')
    kind.add_argument('--output', type=Path, required=True, metavar='DIR')
    kind.add_argument(
        '--store',
        choices=STORES,
        default=store,
        help='films as they are, or with short side 256 in JPEG (default: %(default)s)',
    )
    kind.add_argument(
        '--uncertain',
        choices=UNCERTAIN_POLICIES,
        default='negative',
        help='what uncertain labels count as (default: %(default)s)',
    )
    kind.add_argument('--annotation_only', action='store_true', help='write no records; training does on first use')
    kind.add_argument(
        '--processes', type=whole_number(1), metavar='N', help='threads at work (default: the available cores)'
    )
    kind.add_argument('--beam_runner', metavar='NAME', help="write records with Apache Beam, e.g. 'DirectRunner'")
    kind.add_argument('--beam_options', nargs='+', default=(), metavar='NAME=VALUE', help="of Beam's pipeline")
    return kind


def main(argv: list[str] | None = None) -> None:
    """Prepares what the command line says."""
    options = parse(argv)
    runtime.set_up_logging()
    with runtime.errors_for_people():
        prepare_data(options)


if __name__ == '__main__':
    main(expand_home(sys.argv[1:]))
