"""Figures of some studies of an evaluated split (the paper's Figure 8)."""

from pathlib import Path
from typing import Any

import numpy as np

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.data.sources import Source
from camanet_jax.evaluate import Evaluator, SplitResult
from camanet_jax.experiment import Experiment
from camanet_jax.explain import explain
from camanet_jax.reporting import figures


def draw_studies(folder: Path, evaluator: Evaluator, variables: Any, source: Source, result: SplitResult) -> list[Path]:
    """Draws the configured number of studies; returns the files."""
    experiment = evaluator.experiment
    rows = chosen_rows(result, experiment.config.evaluation.figures)
    if not rows:
        return []
    positions = [source.ids.index(result.rows[row]['id']) for row in rows]
    images = load_images(experiment, source, positions)
    found = explain(variables, images, result.tokens[rows], model=experiment.model())
    written = []
    for row, films, explanation in zip(rows, images, found, strict=True):
        line = result.rows[row]
        words = line['report'].split()
        path = folder / f'{line["id"].replace("/", "_")}.png'
        figures.draw_study(
            path,
            films,
            words,
            explanation,
            study_id=line['id'],
            reference=line['reference_full'],
            pseudo_labels=result.labels[row],
        )
        figures.draw_words(path.with_suffix('.words.png'), films, words, explanation, study_id=line['id'])
        written += [path, path.with_suffix('.words.png')]
    return written


def chosen_rows(result: SplitResult, count: int) -> list[int]:
    """Half with findings, half without, as far as there are any."""
    normal = OBSERVATIONS.index('No Finding')
    findings = np.nan_to_num(np.delete(result.labels, normal, axis=1)).sum(1)
    abnormal, others = np.flatnonzero(findings > 0), np.flatnonzero(findings == 0)
    first = list(abnormal[: max(count - count // 2, count - len(others))])
    return [int(i) for i in first + list(others[: count - len(first)])]


def load_images(experiment: Experiment, source: Source, positions: list[int]) -> np.ndarray:
    """The films [studies, I, height, width] as the evaluation sees them."""
    load = experiment.study_loader(source)
    return np.stack([load(i)['images'] for i in positions])
