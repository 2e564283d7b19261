"""Makes pseudo-labels: reads the 14 observations off the reports of a data set or of a CSV.

    python scripts/label_reports.py --input /data/iu_xray --output labels/iu_xray --labeler=rules
    python scripts/label_reports.py --input reports.csv --output labels/mine \
        --labeler=chexbert --weights chexbert.pth --vocabulary vocab.txt

Writes labels.json (0 or 1, for training), chexbert.csv (1, 0, -1, blank) and labels.jsonl, from which a command that
was stopped resumes. third_party/chexbert says where weights and vocabulary come from.
"""

import argparse
import sys
from pathlib import Path

from camanet_jax.run.command_line import expand_home, whole_number


def main() -> None:
    """Parses the command line and labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--input',
        dest='source',
        required=True,
        type=Path,
        metavar='PATH',
        help='a folder with annotation.json, or a CSV: id, report',
    )
    parser.add_argument('--output', required=True, type=Path, metavar='DIR', help='where the label files go')
    parser.add_argument('--labeler', choices=('chexbert', 'rules'), default='rules')
    parser.add_argument('--weights', type=Path, help="chexbert: the authors' chexbert.pth")
    parser.add_argument('--vocabulary', type=Path, help='chexbert: vocab.txt of bert-base-uncased')
    parser.add_argument(
        '--uncertain',
        choices=('positive', 'negative', 'ignore'),
        default='positive',
        help='what an uncertain observation becomes in labels.json (ignore: -1, no label)',
    )
    parser.add_argument('--splits', nargs='+', default=('train', 'val', 'test'), help='of a data folder')
    parser.add_argument('--batch_size', type=whole_number(1), default=64, help='reports at a time, on all devices')
    parser.add_argument('--dtype', choices=('float32', 'bfloat16'), default='float32', help='chexbert: of the network')
    parser.add_argument(
        '--compare',
        type=Path,
        metavar='FILE',
        help="prints agreement with labels.json, or with the indexing in Open-i's NLMCXR_reports.tgz",
    )
    options = parser.parse_args(expand_home(sys.argv[1:]))
    if options.labeler == 'chexbert' and not (options.weights and options.vocabulary):
        parser.error('--labeler=chexbert needs --weights and --vocabulary; --labeler=rules needs neither')
    from camanet_jax.labeling.label_reports import label_reports, read_other_labels
    from camanet_jax.run import runtime
    from camanet_jax.scoring.tables import agreement_table

    runtime.set_up_logging()
    with runtime.errors_for_people():
        others = read_other_labels(options.compare) if options.compare else None
        labels = label_reports(options)
        if others is not None:
            print(agreement_table(labels, others, options.uncertain))


if __name__ == '__main__':
    main()
