"""`--mode=generate`: reports for image files, from a workdir alone."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from camanet_jax.api import GeneratedReport, Reporter
from camanet_jax.metrics_log import replace_text
from camanet_jax.reporting.figures import draw_words
from camanet_jax.workdir import open_trained

LOG = logging.getLogger(__name__)


def generate(config: ConfigDict, workdir: Path, files: Sequence[str], output: Path) -> Path:
    """Writes `output`/reports.jsonl and one figure per study; returns the first.

    Args:
      config: of the workdir, or with changes.
      files: image files; with a two-view model every two files are a study, frontal first.
    """
    studies = group_files(files, config.data.views)
    reporter = Reporter(open_trained(workdir, config))
    found = reporter.generate(studies, beam_size=reporter.config.search.beam_size)
    output.mkdir(parents=True, exist_ok=True)
    path = output / 'reports.jsonl'
    pairs = list(zip(studies, found, strict=True))
    replace_text(path, ''.join(json.dumps(as_line(*pair), ensure_ascii=False) + '\n' for pair in pairs))
    for number, (study, report) in enumerate(pairs):
        figure = output / f'{number:04d}_{Path(study[0]).stem}.png'
        draw_words(figure, report.images, report.words, report.explanation, study_id=Path(study[0]).name)
        LOG.info('%s\n  %s\n  %s', ', '.join(study), report.report, figure)
    LOG.info('Reports written to %s', path)
    return path


def group_files(files: Sequence[str], views: int) -> list[tuple[str, ...]]:
    """The files of each study."""
    if not files:
        raise ValueError('Expected image files, got none. Give --images=a.png,b.png.')
    if len(files) % views:
        raise ValueError(f'Expected a multiple of {views} files, since the model reads {views} views per study, got '
                         f'{len(files)}.')
    if missing := [file for file in files if not Path(file).is_file()]:
        raise ValueError(f'No such image file: {", ".join(missing)}.')
    return [tuple(files[start:start + views]) for start in range(0, len(files), views)]


def as_line(study: Sequence[str], report: GeneratedReport) -> dict:
    """One line of reports.jsonl."""
    words = [{'word': word, 'log_prob': round(float(value), 6)}
             for word, value in zip(report.words, report.explanation.log_probs, strict=True)]
    return {'images': list(study), 'report': report.report, 'log_prob': report.log_prob, 'words': words,
            'observations': report.class_probabilities, 'alternatives': report.alternatives}
