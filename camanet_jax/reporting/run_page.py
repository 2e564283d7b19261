"""report.html of an evaluated run: curves, scores, and studies that can be questioned; one file that opens anywhere."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from camanet_jax.data.sources import Source
from camanet_jax.experiment import Experiment, open_split
from camanet_jax.explain import Explanation, explain
from camanet_jax.metrics import nlg, protocol
from camanet_jax.reporting import score_tables, svg_curves
from camanet_jax.reporting.study_figures import load_images
from camanet_jax.reporting.web_page import escape, fill_template, json_text, study_data, viewer_settings
from camanet_jax.run.files import read_json, read_json_lines, write_text
from camanet_jax.run.progress import tracked
from camanet_jax.run.provenance import caption
from camanet_jax.run.workdir import open_trained

LOG = logging.getLogger(__name__)

STUDIES = 200  # in the gallery: about 10 MB
SORTED_BY = ('CIDEr', 'BLEU_4', 'ROUGE_L')  # by study; without METEOR, which needs Java


def report_of(workdir: Path, studies: int = STUDIES) -> Path:
    """Writes report.html of a finished run, from its best checkpoint, its files and its data set."""
    if not (workdir / 'scores.json').is_file():
        raise ValueError(
            f'Expected an evaluated run in {workdir}, found no scores.json there. Evaluate it first: '
            f'python -m camanet_jax.main --workdir={workdir} --mode=evaluate'
        )
    trained = open_trained(workdir)
    return write_report(
        workdir, trained.experiment, trained.variables, open_split(trained.experiment.config, 'test'), studies
    )


def write_report(
    workdir: Path, experiment: Experiment, variables: dict[str, Any], test: Source, studies: int = STUDIES
) -> Path:
    """Writes `workdir`/report.html from predictions/test.jsonl, scores.json and metrics.jsonl.

    Args:
      test: the split that the predictions are of.
      studies: at most so many are shown, the first of the split.
    """
    if studies < 0:
        raise ValueError(f'Expected a number of studies of 0 or more, got {studies}.')
    rows = read_json_lines(workdir / 'predictions' / 'test.jsonl')
    shown = [
        data
        for batch in explained(experiment, variables, test, with_scores(rows, experiment)[:studies])
        for data in batch
    ]
    path = workdir / 'report.html'
    write_text(path, page(workdir, shown, len(rows)))
    return path


def page(workdir: Path, studies: list[dict[str, Any]], of: int) -> str:
    """The page; `of` is the number of studies in the split."""
    scores = read_json(workdir / 'scores.json')
    provenance = scores['provenance']
    settings = viewer_settings() | {'studies': studies, 'scores': list(SORTED_BY)}
    return fill_template(
        'report.html',
        title=escape(workdir.absolute().name),
        data=json_text(settings),
        facts=escape(f'{caption(provenance)}, {provenance["device"]}'),
        test=score_tables.split_tables('test', scores['test']),
        validation=score_tables.split_tables('validation', scores['val']),
        curves=svg_curves.curves_html(workdir / 'metrics.jsonl') or '<p>This run has no metrics.jsonl.</p>',
        config=escape(json.dumps(provenance['config'], indent=2)),
        count=f'{len(studies)}' if len(studies) == of else f'the first {len(studies)} of {of}',
    )


def with_scores(rows: list[dict[str, Any]], experiment: Experiment) -> list[dict[str, Any]]:
    """The lines of the predictions, each with its own language scores under the protocol `cut`."""
    length = experiment.config.data.max_seq_length
    reports = protocol.compared_strings('cut', [row['report'] for row in rows], experiment.tokenizer, length)
    found = nlg.score_reports(reports, [row['reference'] for row in rows], with_meteor=False).per_study
    return [
        row | {'scores': {name: round(float(found[name][i]), 4) for name in SORTED_BY}} for i, row in enumerate(rows)
    ]


def explained(
    experiment: Experiment, variables: dict[str, Any], source: Source, rows: list[dict[str, Any]]
) -> Iterator[list[dict[str, Any]]]:
    """The studies' data for the viewer, batch by batch; all batches have one size, so that one pass is compiled."""
    size = experiment.config.evaluation.batch_size
    places = {study_id: place for place, study_id in enumerate(source.ids)}
    model = experiment.model()
    starts = range(0, len(rows), size)
    for start in tracked(starts, 'Explaining reports', len(starts)):
        batch = rows[start : start + size]
        positions = [places[row['id']] for row in batch]
        films = load_images(experiment, source, positions)
        filled = np.resize(films, (size, *films.shape[1:]))
        found = explain(variables, filled, word_ids(batch, experiment, size), model=model)
        yield [
            row_data(row, source.labels[place], *seen)
            for row, place, *seen in zip(batch, positions, films, found, strict=False)
        ]


def word_ids(rows: list[dict[str, Any]], experiment: Experiment, size: int) -> np.ndarray:
    """[size, L], the reports' words as ids, padded with 0 as the search leaves them; rows beyond the last are empty."""
    ids = {word: place for place, word in enumerate(experiment.tokenizer.words, 1)}
    tokens = np.zeros((size, experiment.config.data.max_seq_length), np.int32)
    for i, row in enumerate(rows):
        words = [ids[word] for word in row['report'].split()]
        tokens[i, : len(words)] = words
    return tokens


def row_data(row: dict[str, Any], labels: np.ndarray, films: np.ndarray, found: Explanation) -> dict[str, Any]:
    """One study for the viewer."""
    known = [int(label) if label >= 0 else None for label in labels]
    return study_data(
        row['id'],
        films,
        row['report'].split(),
        found,
        reference=row['reference_full'],
        labels=known if any(label is not None for label in known) else None,
        scores=row['scores'],
    )
