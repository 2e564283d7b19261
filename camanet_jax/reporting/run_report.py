"""The figures of an evaluated run's studies, and its report.html: curves, scores, and studies to explore.

The page is one file that opens anywhere. Each study is explained once, for its figures and for the page.
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.data.sources import Source
from camanet_jax.experiment import Experiment, open_split
from camanet_jax.explain import Explanation, explain
from camanet_jax.metrics import nlg, protocol
from camanet_jax.reporting import score_tables
from camanet_jax.reporting.curves import curves_html
from camanet_jax.reporting.figures import draw_study, draw_words
from camanet_jax.reporting.web_page import escape, fill_template, json_text, study_data, viewer_settings
from camanet_jax.run.files import read_json, read_json_lines, write_text
from camanet_jax.run.metrics_log import read_metrics, wall_time_in_words
from camanet_jax.run.progress import tracked
from camanet_jax.run.provenance import caption
from camanet_jax.run.workdir import open_trained

LOG = logging.getLogger(__name__)

ROW = ('id', 'report', 'reference', 'reference_raw')
STUDIES = 200  # on the page: about 10 MB
SORTED_BY = ('CIDEr', 'BLEU_4', 'ROUGE_L')  # scores of single studies; METEOR would need Java


def report_of(workdir: Path, studies: int = STUDIES) -> Path:
    """Writes report.html of a finished run, from its best checkpoint, its files and its data set."""
    if not (workdir / 'scores.json').is_file():
        raise ValueError(
            f'Expected an evaluated run in {workdir}, found no scores.json there. Evaluate it first: '
            f'python -m camanet_jax.main --workdir={workdir} --mode=evaluate'
        )
    trained = open_trained(workdir)
    test = open_split(trained.experiment.config, 'test')
    return write_report(workdir, trained.experiment, trained.variables, test, studies, figures=0)[-1]


def write_report(
    workdir: Path,
    experiment: Experiment,
    variables: dict[str, Any],
    test: Source,
    studies: int = STUDIES,
    figures: int | None = None,
) -> list[Path]:
    """Draws figures/, then writes report.html from predictions/test.jsonl, scores.json and metrics.jsonl.

    Args:
      test: the split of the predictions.
      studies: the number of studies on the page, at most; they are the first of the split.
      figures: the number of studies to draw; by default the configured one.

    Returns:
      The files written, report.html last.
    """
    if studies < 0:
        raise ValueError(f'Expected a number of studies of 0 or more, got {studies}.')
    rows = with_scores(read_json_lines(workdir / 'predictions' / 'test.jsonl', ROW), experiment)
    positions = positions_of(rows, test)
    labels = np.where(test.labels[positions] >= 0, test.labels[positions], np.nan)
    drawn = chosen_rows(labels, experiment.config.evaluation.figures if figures is None else figures)
    wanted = sorted({*range(min(studies, len(rows))), *drawn})
    shown, written = [], []
    for number, films, explanation in explain_rows(experiment, variables, test, rows, wanted):
        if number in drawn:
            written += draw_figures(workdir / 'figures', rows[number], labels[number], films, explanation)
        if number < studies:
            shown.append(row_data(rows[number], labels[number], films, explanation))
    write_text(workdir / 'report.html', page(workdir, shown, len(rows)))
    return [*written, workdir / 'report.html']


def positions_of(rows: list[dict[str, Any]], source: Source) -> list[int]:
    """The positions in the split of the rows' studies."""
    position_of = {study_id: position for position, study_id in enumerate(source.ids)}
    if unknown := [row['id'] for row in rows if row['id'] not in position_of]:
        raise ValueError(f'Expected predictions of the studies in {source.prepared_dir}, got others: {unknown[:3]}.')
    return [position_of[row['id']] for row in rows]


def page(workdir: Path, studies: list[dict[str, Any]], of: int) -> str:
    """The page as HTML; `of` is the number of studies in the split."""
    scores = read_json(workdir / 'scores.json')
    metrics = read_metrics(workdir / 'metrics.jsonl') if (workdir / 'metrics.jsonl').exists() else []
    settings = viewer_settings() | {'studies': studies, 'scores': list(SORTED_BY)}
    try:
        provenance = scores['provenance']
        facts = [caption(provenance), provenance['device'], wall_time_in_words(metrics)]
        titles = {'test': 'test', 'val': 'validation'}
        tables = {title: score_tables.split_tables(title, scores[name]) for name, title in titles.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{workdir / "scores.json"}: expected the scores that evaluation writes, got others ({error!r}); '
            'evaluate again'
        ) from error
    return fill_template(
        'report.html',
        title=escape(workdir.absolute().name),
        data=json_text(settings),
        facts=escape(', '.join(filter(None, facts))),
        **tables,
        curves=curves_html(metrics) or '<p>This run has no metrics.jsonl.</p>',
        config=escape(json.dumps(provenance['config'], indent=2)),
        count=f'{len(studies)}' if len(studies) == of else f'the first {len(studies)} of {of}',
    )


def with_scores(rows: list[dict[str, Any]], experiment: Experiment) -> list[dict[str, Any]]:
    """Adds to each line of the predictions its ids, their pieces, and its language scores under the protocol `cut`."""
    tokenizer, length = experiment.tokenizer, experiment.config.data.max_seq_length
    reports = protocol.compared_strings('cut', [row['report'] for row in rows], tokenizer, length)
    by_name = nlg.score_reports(reports, [row['reference'] for row in rows], with_meteor=False).per_study
    scores = [{name: round(float(by_name[name][i]), 4) for name in SORTED_BY} for i in range(len(rows))]
    ids = [tokenizer.ids_of(row['report'])[:length] for row in rows]
    return [
        row | {'ids': own, 'words': tokenizer.pieces(own), 'scores': of_row}
        for row, own, of_row in zip(rows, ids, scores, strict=True)
    ]


def explain_rows(
    experiment: Experiment, variables: dict[str, Any], source: Source, rows: list[dict[str, Any]], wanted: list[int]
) -> Iterator[tuple[int, np.ndarray, Explanation]]:
    """Yields numbers, films and explanations of the wanted rows; all batches have one shape, which is compiled once."""
    size = experiment.config.evaluation.batch_size // jax.process_count()  # this process's devices alone
    model = experiment.model()
    starts = range(0, len(wanted), size)
    for start in tracked(starts, 'Explaining reports', len(starts)):
        numbers = wanted[start : start + size]
        batch = [rows[number] for number in numbers]
        films, extras = load_inputs(experiment, source, positions_of(batch, source))
        filled, extras = jax.tree.map(lambda x: np.resize(x, (size, *x.shape[1:])), (films, extras))
        explanations = explain(variables, filled, word_ids(batch, experiment, size), extras, model=model)
        yield from zip(numbers, films, explanations, strict=False)


def word_ids(rows: list[dict[str, Any]], experiment: Experiment, size: int) -> np.ndarray:
    """The ids [size, L] of the reports' words, padded with 0 as by the search; rows beyond the last are empty."""
    tokens = np.zeros((size, experiment.config.data.max_seq_length), np.int32)
    for i, row in enumerate(rows):
        tokens[i, : len(row['ids'])] = row['ids']
    return tokens


def row_data(row: dict[str, Any], labels: np.ndarray, films: np.ndarray, explanation: Explanation) -> dict[str, Any]:
    """One study for the viewer."""
    known = None if np.isnan(labels).all() else [None if np.isnan(label) else int(label) for label in labels]
    texts = dict(reference=row['reference_full'], labels=known, scores=row['scores'])
    return study_data(row['id'], films, row['words'], explanation, **texts)


def draw_figures(
    folder: Path, row: dict[str, Any], labels: np.ndarray, films: np.ndarray, explanation: Explanation
) -> list[Path]:
    """Draws one study (the paper's Figure 8) and the attention at each of its words; returns the files."""
    words, study_id = row['words'], row['id']
    path = folder / f'{study_id.replace("/", "_")}.png'
    texts = dict(study_id=study_id, reference=row['reference_full'], pseudo_labels=labels)
    return [
        draw_study(path, films, words, explanation, **texts),
        draw_words(path.with_suffix('.words.png'), films, words, explanation, study_id=study_id),
    ]


def chosen_rows(labels: np.ndarray, count: int) -> list[int]:
    """Chooses `count` rows of labels [studies, Y], half of them with findings, as far as there are enough."""
    normal = OBSERVATIONS.index('No Finding')
    findings = np.nan_to_num(np.delete(labels, normal, axis=1)).sum(1)
    abnormal, others = np.flatnonzero(findings > 0), np.flatnonzero(findings == 0)
    first = list(abnormal[: max(count - count // 2, count - len(others))])
    return [int(i) for i in first + list(others[: count - len(first)])]


def load_inputs(experiment: Experiment, source: Source, positions: list[int]) -> tuple[np.ndarray, dict[str, Any]]:
    """Loads films [studies, I, height, width] and the batch's extras as the evaluation does."""
    load = experiment.study_loader(source)
    rows = [load(i) for i in positions]
    inputs = [(row['images'], row.get('extras', {})) for row in rows]
    return jax.tree.map(lambda *of_studies: np.stack(of_studies), *inputs)
