"""One labelling, from reports to label files: the story of `scripts/label_reports.py`."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from camanet_jax.labeling.label_files import Labels, write_label_csv, write_label_json
from camanet_jax.labeling.label_values import positives
from camanet_jax.metrics.scorer import Labeler
from camanet_jax.run.journal import Journal
from camanet_jax.run.progress import Progress

LOG = logging.getLogger(__name__)

JOURNAL, JSON_FILE, CSV_FILE = 'labels.jsonl', 'labels.json', 'chexbert.csv'


def label_to_files(
    reports: Mapping[str, str],
    labeler: Labeler,
    output: Path,
    *,
    made_by: Mapping[str, str],
    uncertain: str,
    batch_size: int,
) -> Labels:
    """Labels reports and writes `labels.json` and `chexbert.csv`; a second call goes on where the first was stopped.

    Args:
      reports: {id: report}.
      made_by: what the labels depend on beside the reports; a folder holds labels of one making.
      uncertain: what uncertain observations become in labels.json; the CSV keeps them.
      batch_size: reports that are labelled, and then kept, at a time.

    Returns:
      All labels, uncertain and blank ones apart, in the order of `reports`.
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
    """Labels what the journal lacks, longest reports first, so that like lengths share a batch."""
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
