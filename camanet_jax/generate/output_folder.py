"""The files of `--mode=generate`, appended study by study, so that a run that was stopped can be resumed.

reports.jsonl   `id`, `images`, `bytes` (sizes of the files: a changed film is read again), `report`, `log_prob`,
                `words` (`word`, `log_prob`), `observations` (probabilities by name), `alternatives` (`report`,
                `log_prob`), `overlays`; where they apply `repeated_view` and `identifiers` (UIDs of each film)
failed.jsonl    `id`, `images`, `bytes`, `error` of the studies for which the latest run wrote no report
made_by.json    checkpoint, configuration and options; a run with others is refused
overlays/       figures, numbered by lines of reports.jsonl
"""

import dataclasses
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from camanet_jax import configuration
from camanet_jax.generate.reporter import GeneratedReport
from camanet_jax.generate.study_list import MADE_BY, OVERLAYS, ListedStudy, hide_uids
from camanet_jax.reporting.figures import draw_study, draw_words
from camanet_jax.run.checkpoint import checksum
from camanet_jax.run.files import append_json_lines, drop_torn_line, read_json_lines, read_record, write_json
from camanet_jax.run.workdir import TrainedRun

KEY = ('id', 'images', 'bytes')
REPORTS, FAILED = 'reports.jsonl', 'failed.jsonl'


@dataclasses.dataclass(frozen=True)
class Naming:
    """Names of studies and films in the output: with DICOM UIDs only where the user wants them."""

    keep_identifiers: bool

    def name(self, text: object) -> str:
        """A name that may be shown."""
        text = os.fsencode(str(text)).decode('utf-8', 'backslashreplace')  # names in other encodings become printable
        return text if self.keep_identifiers else hide_uids(text)

    def key(self, study: ListedStudy) -> dict[str, Any]:
        """Identifies a study and the present state of its films."""
        sizes = [path.stat().st_size if path.is_file() else 0 for path in study.paths]
        return {'id': self.name(study.id), 'images': [self.name(path) for path in study.paths], 'bytes': sizes}

    def identifiers(self, study: ListedStudy) -> dict[str, Any]:
        """The UIDs of a study's DICOM files, where they are kept."""
        if not self.keep_identifiers:
            return {}
        from camanet_jax.data import dicom  # most runs read none

        uids = [dicom.read_identifiers(path) for path in study.paths]
        return {'identifiers': uids} if any(uids) else {}


class ReportFiles:
    """An output folder.

    Raises:
      ValueError: its reports were made by another checkpoint, configuration or options; the differences are listed.
    """

    def __init__(self, folder: Path, naming: Naming, made_by: dict[str, Any]):
        self.folder, self._naming = folder, naming
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = self._read(made_by)
        write_json(folder / MADE_BY, made_by)
        (folder / FAILED).unlink(missing_ok=True)  # failed studies are tried again
        self.failures = 0

    def _read(self, made_by: dict[str, Any]) -> dict[str, int]:
        path, record = self.folder / REPORTS, self.folder / MADE_BY
        if path.exists():
            drop_torn_line(path)
        if not path.exists() or not path.stat().st_size:
            return {}
        refuse_others(path, record, made_by, 'Use another --output, or remove this one to write everything anew.')
        return {as_key(line): number for number, line in enumerate(read_json_lines(path, KEY))}

    def unfinished(self, studies: Sequence[ListedStudy]) -> list[ListedStudy]:
        """The studies without a report."""
        return [study for study in studies if as_key(self._naming.key(study)) not in self._lines]

    def add(self, study: ListedStudy, report: GeneratedReport, overlays: bool) -> dict[str, Any]:
        """Draws a study's figures, then appends its line, which is on the disk when this returns."""
        key = self._naming.key(study)
        line = key | as_line(report) | self._naming.identifiers(study)
        if len(study.paths) < len(report.images):
            line['repeated_view'] = True
        if overlays:
            line['overlays'] = self._draw(len(self._lines), key['id'], report)
        append_json_lines(self.folder / REPORTS, [line])
        self._lines[as_key(key)] = len(self._lines)
        return line

    def fail(self, study: ListedStudy, error: ValueError) -> None:
        """Records a study without a report."""
        self.failures += 1
        append_json_lines(self.folder / FAILED, [self._naming.key(study) | {'error': str(error)}])

    def _draw(self, number: int, name: str, report: GeneratedReport) -> list[str]:
        stem = f'{OVERLAYS}/{number:06d}_' + re.sub('[^A-Za-z0-9-]+', '_', name)[-60:].strip('_')
        names = [f'{stem}.png', f'{stem}.words.png']
        content = report.images, report.words, report.explanation
        draw_study(self.folder / names[0], *content, study_id=name, reference='(none)')
        draw_words(self.folder / names[1], *content, study_id=name)
        return names


def as_key(line: dict[str, Any]) -> str:
    """A text that identifies a study, from a line or a key."""
    return json.dumps([line['id'], line['images'], line['bytes']])


def as_line(report: GeneratedReport) -> dict[str, Any]:
    """A report's fields in reports.jsonl."""
    words = zip(report.words, report.word_log_probs, strict=True)
    return {
        'report': report.report,
        'log_prob': round(report.log_prob, 6),
        'words': [{'word': word, 'log_prob': round(value, 6)} for word, value in words],
        'observations': {name: round(value, 6) for name, value in report.class_probabilities.items()},
        'alternatives': [{'report': text, 'log_prob': round(value, 6)} for text, value in report.alternatives],
    }


def made_by(run: TrainedRun, **options: Any) -> dict[str, Any]:
    """Everything that the reports depend on: the checkpoint, the configuration, the command's options."""
    checkpoint = {'step': run.step, 'weights': f'{checksum(run.variables):08x}'}
    return configuration.as_data(run.experiment.config) | {'checkpoint': checkpoint, 'generate': options}


def refuse_others(reports: Path, record: Path, now: dict[str, Any], remedy: str) -> None:
    """Raises ValueError where `record` says that reports were not made as `now` (`made_by`), or says nothing."""
    before = read_record(record) if record.exists() else {}
    what = f'{reports}: its reports were made differently'
    configuration.refuse_changes(configuration.completed(before), now, what, remedy, then='then')
