"""The steps of `scripts/label_reports.py`, from reports to label files."""

import hashlib
import logging
import zlib
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from camanet_jax.data.schema import SPLITS, annotated_reports, summarise
from camanet_jax.labeling import phrase_rules
from camanet_jax.labeling.label_files import Labels, positives, read_label_json, write_label_csv, write_label_json
from camanet_jax.labeling.openi_index import read_openi_index
from camanet_jax.labeling.rule_labeler import RULES, Labeler
from camanet_jax.run.files import append_json_lines, drop_torn_line, is_missing, read_columns, read_json_lines
from camanet_jax.run.progress import Progress

LOG = logging.getLogger(__name__)

JOURNAL, JSON_FILE, CSV_FILE = 'labels.jsonl', 'labels.json', 'chexbert.csv'


def label_reports(options: Namespace) -> Labels:
    """Labels the reports of `options.source` into `options.output`; the options are those of the command line."""
    reports = read_reports(options.source, tuple(options.splits))
    labeler, made_by = choose_labeler(options)
    kwargs = dict(made_by=made_by, uncertain=options.uncertain, batch_size=options.batch_size)
    return label_to_files(reports, labeler, options.output, **kwargs)


def read_other_labels(path: Path) -> Labels:
    """Reads labels to compare with: a JSON label file, or Open-i's reports with their indexing."""
    return read_label_json(path) if path.suffix == '.json' else read_openi_index(path)


def choose_labeler(options: Namespace) -> tuple[Labeler, dict[str, str]]:
    """The labeler asked for, and everything but the reports that its labels depend on."""
    if options.labeler == 'rules':
        return RULES, {'labeler': 'rules', 'phrases': digest(Path(phrase_rules.__file__))}
    from camanet_jax.labeling.chexbert_labeler import chexbert_labeler

    files = {'weights': options.weights, 'vocabulary': options.vocabulary}
    labeler = chexbert_labeler(**files, batch_size=options.batch_size, dtype=options.dtype)
    digests = {name: digest(path) for name, path in files.items()}
    return labeler, {'labeler': 'chexbert', **digests, 'dtype': options.dtype}


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


class Journal:
    """An append-only file: a line on how the labels are made, then a line per report with its labels and checksum.

    A report that has changed since, by its checksum, is labelled again.

    Raises:
      ValueError: the file's labels were made in another way.
    """

    def __init__(self, path: Path, made_by: Mapping[str, str]):
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        drop_torn_line(path)
        first, *lines = read_json_lines(path, ('id', 'checksum', 'labels'), head=1) or [None]
        if first is None:
            append_json_lines(path, [dict(made_by)])
        elif first != dict(made_by):
            raise ValueError(
                f'{path}: its labels were made by {first}, these would be by {dict(made_by)}. '
                'Choose another output folder, or delete this file to label everything again.'
            )
        self._lines = {line['id']: line for line in lines}

    def finished(self, reports: Mapping[str, str]) -> Labels:
        """The labels of the reports that have been labelled, in the order of `reports`."""
        return {
            name: tuple(self._lines[name]['labels'])
            for name, report in reports.items()
            if self._lines.get(name, {}).get('checksum') == checksum(report)
        }

    def add(self, reports: Mapping[str, str], labels: Labels) -> None:
        """Appends labels; they are on the disk when this returns."""
        lines = [{'id': name, 'checksum': checksum(reports[name]), 'labels': list(row)} for name, row in labels.items()]
        append_json_lines(self._path, lines)
        self._lines.update((line['id'], line) for line in lines)


def label_to_files(
    reports: Mapping[str, str],
    labeler: Labeler,
    output: Path,
    *,
    made_by: Mapping[str, str],
    uncertain: str,
    batch_size: int,
) -> Labels:
    """Labels reports and writes `labels.json` and `chexbert.csv`; a second call resumes where the first was stopped.

    Args:
      reports: {id: report}.
      made_by: everything but the reports that the labels depend on; a folder holds labels made in one way.
      uncertain: the policy for uncertain observations in labels.json; the CSV keeps them.
      batch_size: number of reports labelled, and then saved, at a time.

    Returns:
      All labels in the order of `reports`: 1 positive, 0 negative, -1 uncertain, -2 blank.
    """
    if (output / JSON_FILE).exists() and not (output / JOURNAL).exists():
        raise ValueError(f'{output / JSON_FILE} exists and was not made here; choose another output folder')
    journal = Journal(output / JOURNAL, made_by)
    label_missing(reports, labeler, journal, batch_size)
    labels = journal.finished(reports)
    binary = positives(np.array(list(labels.values())), uncertain)
    write_label_json(output / JSON_FILE, dict(zip(labels, binary.tolist(), strict=True)))
    write_label_csv(output / CSV_FILE, labels)
    LOG.info('%d reports labelled by %s: %s, %s', len(labels), labeler.name, output / JSON_FILE, output / CSV_FILE)
    return labels


def label_missing(reports: Mapping[str, str], labeler: Labeler, journal: Journal, batch_size: int) -> None:
    """Labels the reports missing from the journal, longest first, so that similar lengths share a batch."""
    finished = journal.finished(reports)
    missing = sorted(set(reports) - set(finished), key=lambda name: (-len(reports[name]), name))
    batches = [missing[start : start + batch_size] for start in range(0, len(missing), batch_size)]
    if finished:
        LOG.info('%d of %d reports were labelled before', len(finished), len(reports))
    with Progress('batches labelled', len(batches)) as progress:
        for names in batches:
            rows = labeler.label([reports[name] for name in names]).tolist()
            journal.add(reports, {name: tuple(row) for name, row in zip(names, rows, strict=True)})
            progress.advance()


def checksum(report: str) -> int:
    """CRC-32 of a report, which shows a change."""
    return zlib.crc32(report.encode('utf-8', 'surrogatepass'))


def read_reports(source: str | Path, splits: tuple[str, ...] = SPLITS) -> dict[str, str]:
    """Reads {id: report} from a data folder, an annotation.json, or a CSV, plain or gzipped.

    Args:
      splits: the splits of an annotation to read; a CSV has none and is read whole.

    Raises:
      ValueError: there is no such file, its layout is another, or an id has two reports or none; problems are listed.
    """
    path = Path(source)
    path = path / 'annotation.json' if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f'{path}: no such file; expected a folder with annotation.json, or a CSV with id and report')
    pairs = annotated_reports(path, splits) if path.suffix == '.json' else read_columns(path, ('id', 'report'))
    reports, problems = {}, []
    for name, report in pairs:
        if not isinstance(report, str) or is_missing(report):
            problems.append(f'{name} has no report ({report!r}); write one or leave it out')
        elif reports.setdefault(name, report) != report:
            problems.append(f'{name} has two different reports')
    if problems or not reports:
        raise ValueError(f'{path}: {summarise(problems, "problem", "problems") if problems else "no reports"}')
    return reports
