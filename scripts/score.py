"""Scores the reports of any system, from files alone: ours (predictions/test.jsonl) or a CSV with id and report.

    python scripts/score.py --predictions reports.csv --data /data/iu_xray --protocol=cut --output scores.json
    python scripts/score.py --predictions runs/a/predictions/test.jsonl --compare runs/b/predictions/test.jsonl \
        --data /data/iu_xray --protocol=full

Under `cut`, the field's protocol, both texts are cleaned, words outside the train vocabulary become <unk>, and both are
cut to max_seq_length - 1 words. Under `full` both are cleaned and whole, under `raw` both are as written. Only scores
of one protocol are comparable. `rexrank` is that leader board's: texts as written, its BLEU-2, and SembScore where
CheXbert reads the labels.
"""

import argparse
import sys
from pathlib import Path

from camanet_jax.run.command_line import expand_home


def main() -> None:
    """Parses the command line and scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_files(parser)
    add_texts(parser)
    add_clinical(parser)
    parser.add_argument('--permutations', type=int, default=10_000, help='of the permutation test in a leader board')
    parser.add_argument('--resamples', type=int, default=1000, help='of the bootstrap over studies')
    parser.add_argument('--seed', type=int, default=0, help='of the bootstrap and the permutation test')
    options = parser.parse_args(expand_home(sys.argv[1:]))
    from camanet_jax.run import runtime
    from camanet_jax.scoring.score import Options, score

    runtime.set_up_logging()
    with runtime.errors_for_people():
        score(Options(**vars(options)))


def add_files(parser: argparse.ArgumentParser) -> None:
    """Adds the files that are read and written."""
    parser.add_argument('--predictions', required=True, type=Path, metavar='FILE', help='JSON lines or CSV: id, report')
    parser.add_argument(
        '--references',
        type=Path,
        metavar='FILE',
        help='the same with the references; by default those in the predictions, else those of --data',
    )
    parser.add_argument(
        '--data',
        type=Path,
        metavar='DIR',
        help='with annotation.json: vocabulary, copied reports, constant report, references',
    )
    parser.add_argument('--split', choices=('train', 'val', 'test'), help="of --data; by default the predictions' own")
    parser.add_argument(
        '--section',
        choices=('findings', 'both'),
        default='findings',
        help="of a ReXrank file: its findings, or 'Findings: .. Impression: ..'",
    )
    parser.add_argument(
        '--compare',
        type=Path,
        nargs='+',
        default=(),
        metavar='FILE',
        help='predictions of other systems: a leader board with paired bootstrap and permutation test',
    )
    parser.add_argument(
        '--board',
        type=Path,
        nargs='+',
        default=(),
        metavar='FILE',
        help='the leader board as .txt, .md, .tex, .csv, and as an offline page (.html) with all reports side by side',
    )
    parser.add_argument('--output', type=Path, metavar='FILE', help='scores as JSON')
    parser.add_argument(
        '--export',
        type=Path,
        metavar='FILE',
        help='the compared texts: .json for RadEval; .csv, .parquet (sample_id, reference, hypothesis); or a folder',
    )
    parser.add_argument(
        '--merge', type=Path, metavar='FILE', help="their scores, into our tables: JSON, or the CSV of ReXrank's scorer"
    )
    parser.add_argument('--per_study', type=Path, metavar='FILE', help='every score by study, as .csv or .parquet')


def add_texts(parser: argparse.ArgumentParser) -> None:
    """Adds the rules that make texts comparable."""
    parser.add_argument('--protocol', required=True, choices=('cut', 'full', 'raw', 'rexrank'))
    parser.add_argument(
        '--cleaner',
        choices=('iu_xray', 'mimic_cxr'),
        help='by default that of the run or the data; with it threshold 3 and 60 ids, or threshold 10 and 100 ids',
    )
    parser.add_argument(
        '--recase',
        action='store_true',
        help='raw, rexrank: capitals and full stops for reports that were written cleaned',
    )
    parser.add_argument('--threshold', type=int, help='occurrences in train that make a word')
    parser.add_argument('--max_seq_length', type=int, help='ids of a report under cut, one more than words')


def add_clinical(parser: argparse.ArgumentParser) -> None:
    """Adds the sources of the observations."""
    parser.add_argument(
        '--labels',
        type=Path,
        metavar='FILE',
        help='labels of the references: JSON, or CSV as CheXbert writes it, with ids',
    )
    parser.add_argument('--predicted_labels', type=Path, metavar='FILE', help='labels of the reports')
    parser.add_argument(
        '--compared_labels', type=Path, nargs='+', default=(), metavar='FILE', help='labels of the reports in --compare'
    )
    parser.add_argument(
        '--labeler', choices=('rules', 'chexbert', 'none'), default='rules', help='reads the labels that no file gives'
    )
    parser.add_argument('--weights', type=Path, help="chexbert: the authors' chexbert.pth")
    parser.add_argument('--vocabulary', type=Path, help='chexbert: vocab.txt of bert-base-uncased')
    parser.add_argument(
        '--uncertain',
        choices=('negative', 'positive', 'ignore'),
        default='negative',
        help='what an uncertain observation counts as',
    )


if __name__ == '__main__':
    main()
