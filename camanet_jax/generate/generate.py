"""`--mode=generate`: reports for any number of films with a workdir's model."""

import itertools
import logging
from collections.abc import Sequence
from pathlib import Path

import jax
from ml_collections import ConfigDict
from tqdm.contrib.logging import logging_redirect_tqdm

from camanet_jax.generate.output_folder import FAILED, REPORTS, Naming, ReportFiles, made_by
from camanet_jax.generate.reporter import Reporter
from camanet_jax.generate.study_list import ListedStudy, list_studies
from camanet_jax.run.files import sole_writer
from camanet_jax.run.progress import Progress
from camanet_jax.run.workdir import open_trained
from camanet_jax.run.workers import Stopped

LOG = logging.getLogger(__name__)

SOME_FAILED, STOPPED = 1, 130  # exit codes
SHOWN = 10  # where there are at most this many studies, their reports are logged too


def generate(
    config: ConfigDict,
    workdir: Path,
    images: Sequence[str],
    output: Path,
    *,
    overlays: bool = True,
    keep_identifiers: bool = False,
    missing_view: str = 'repeat',
) -> int:
    """Appends the missing reports to `output`/reports.jsonl, and draws their figures.

    Args:
      config: the workdir's, or with changes.
      images: files, folders or CSVs (`study_list`).
      overlays: whether to draw figures.
      keep_identifiers: whether to copy the UIDs of studies and films from DICOM files, and to leave UIDs in names.
      missing_view: 'repeat' repeats the last film of a study with too few, with 'refuse' such a study fails.

    Returns:
      The exit code: 0, or 1 where studies failed (they are in failed.jsonl).

    Raises:
      Stopped: Ctrl+C came; the exit code is then 130.
      ValueError: there are several processes; they would write one output.
    """
    if jax.process_count() > 1:
        raise ValueError(
            f'Expected one process to generate reports, got {jax.process_count()}; start one on each host without '
            '--distributed, with its own part of the films in --images and its own --output.'
        )
    naming, studies = Naming(keep_identifiers), list_studies(images, config.data.views)
    LOG.info('%d studies; opening the checkpoint in %s', len(studies), workdir)
    try:
        with sole_writer(output, 'writing reports'):
            run = open_trained(workdir, config)
            how = made_by(run, missing_view=missing_view, keep_identifiers=keep_identifiers)
            files = ReportFiles(output, naming, how)
            unfinished = files.unfinished(studies)
            write_all(Reporter(run), files, naming, unfinished, overlays, missing_view, of=len(studies))
    except KeyboardInterrupt:
        LOG.warning('Stopped; the same command resumes.')
        raise Stopped(STOPPED) from None
    return log_outcome(files, len(studies), len(studies) - len(unfinished))


def write_all(
    reporter: Reporter,
    files: ReportFiles,
    naming: Naming,
    studies: Sequence[ListedStudy],
    overlays: bool,
    missing_view: str,
    of: int,
) -> None:
    """Writes the files of `studies`, those left over from `of` studies, and shows the progress."""
    LOG.info('%d reports to write; the first waits for the compiler', len(studies))
    reports = reporter.stream(studies, missing_view=missing_view, name_of=naming.name, of=of)
    first = list(itertools.islice(reports, 1))  # outside the progress: compiling would spoil the estimated time
    with logging_redirect_tqdm([logging.getLogger('camanet_jax')]), Progress('Writing reports', len(studies)) as bar:
        for study, report in itertools.chain(first, reports):
            if isinstance(report, ValueError):
                files.fail(study, report)
                LOG.warning('Study %s has no report: %s', naming.name(study.id), report)
            else:
                line = files.add(study, report, overlays)
                if len(studies) <= SHOWN:
                    LOG.info('%s\n  %s', line['id'], line['report'])
            bar.advance(f'{files.failures} failed' if files.failures else '')


def log_outcome(files: ReportFiles, studies: int, before: int) -> int:
    """Logs the numbers of reports and failures; returns the exit code."""
    if before:
        LOG.info('%d of %d studies had their reports already.', before, studies)
    LOG.info('Reports of %d studies are in %s', studies - files.failures, files.folder / REPORTS)
    if files.failures:
        reasons = files.folder / FAILED
        LOG.warning('%d of %d studies have no report; the reasons are in %s', files.failures, studies, reasons)
        return SOME_FAILED
    return 0
