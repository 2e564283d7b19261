"""One study by several systems (paper Figures 6 and 7): a row each, with films, VDM, TDM and the same words."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.experiment import open_split
from camanet_jax.explain import Explanation
from camanet_jax.generate.reporter import Reporter
from camanet_jax.lab.alignment.naming import naming_positions
from camanet_jax.reporting.figures import (
    FUNCTION_WORDS,
    MARGIN,
    check_words,
    draw_attention_bar,
    important_positions,
    map_cells,
    text_pieces,
    word_cell,
)
from camanet_jax.reporting.overlays import Scale, attention_scale
from camanet_jax.reporting.page import BODY, GAP, Cell, Page, draw_grid, draw_section
from camanet_jax.reporting.run_report import chosen_rows, load_inputs
from camanet_jax.run.workdir import TrainedRun, open_trained

FILM, COLUMN_GAP, WORDS, LABEL = 168, 24, 5, 26  # pixels; words drawn


@dataclasses.dataclass(frozen=True)
class System:
    """A system, the words of its report of a study, and their explanation."""

    name: str
    words: Sequence[str]
    explanation: Explanation


def draw_comparisons(workdirs: list[Path], folder: Path, studies: int) -> list[Path]:
    """Draws studies of the test split, half of them with findings; returns the files.

    Raises:
      ValueError: a run reads other films than the first.
    """
    runs = [open_trained(workdir) for workdir in workdirs]
    check_same_films(workdirs, runs)
    experiment = runs[0].experiment
    source = open_split(experiment.config, 'test')
    labels = source.labels.astype(float)
    positions = chosen_rows(labels, min(studies, len(source)))
    films, _ = load_inputs(experiment, source, positions)
    reports = [Reporter(run).generate(films) for run in runs]
    written = []
    for i, position in enumerate(positions):
        study = source.studies[position]
        systems = [
            System(workdir.name, of_run[i].words, of_run[i].explanation)
            for workdir, of_run in zip(workdirs, reports, strict=True)
        ]
        path = folder / f'{study.id.replace("/", "_")}.png'
        written.append(draw_comparison(path, films[i], systems, study_id=study.id, reference=study.report))
    return written


def check_same_films(workdirs: list[Path], runs: list[TrainedRun]) -> None:
    """Raises ValueError where runs are not of the same data, made the same way."""

    def films(run: TrainedRun) -> dict:
        config = run.experiment.config
        names = ('name', 'views', 'image_size', 'resize_size', 'eval_transform')
        return {name: config.data[name] for name in names} | {'options': config.data.options.to_dict()}

    for workdir, run in zip(workdirs, runs, strict=True):
        if films(run) != films(runs[0]):
            raise ValueError(
                f'Expected runs that read the same films, got {films(runs[0])} in {workdirs[0]} and '
                f'{films(run)} in {workdir}; compare runs of one data set and size.'
            )


def draw_comparison(
    path: str | Path,
    images: UInt8[np.ndarray, 'I height width'],
    systems: Sequence[System],
    *,
    study_id: str,
    reference: str,
) -> Path:
    """Draws a study into a PNG file: a row for each system, below them the reports; `study_id` is the heading."""
    for system in systems:
        check_words(system.words, system.explanation)
    words = common_words(systems, reference)
    columns = 3 + WORDS
    page = Page(2 * MARGIN + columns * (FILM + GAP) - GAP)
    page.text(MARGIN, MARGIN + 18, study_id, size=20, weight='bold', fit=page.width - 2 * MARGIN)
    scale = attention_scale(shared_maps(systems, words, images))
    top = MARGIN + 44
    for system in systems:
        page.text(MARGIN, top + BODY, system.name, weight='bold', fit=page.width - 2 * MARGIN)
        top = draw_grid(page, MARGIN, top + LABEL, images, system_cells(system, words, scale), columns, FILM)
    if words:
        top = draw_attention_bar(page, top, scale, 'words')
    return page.save(path, draw_reports(page, top + GAP, systems, reference) + MARGIN)


def common_words(systems: Sequence[System], reference: str) -> list[str]:
    """The words to draw: first those that name a finding, then the last system's most important; common ones first."""
    texts = [list(system.words) for system in systems]
    counts = Counter(word for words in texts for word in set(words))
    findings = [
        words[position]
        for words in (*texts, reference.lower().split())
        for name in OBSERVATIONS
        for position in naming_positions(words, name)
    ]
    ranked = [
        system.words[position]
        for system in reversed(systems)
        for position in important_positions(system.words, system.explanation)
    ]
    content = [word for word in dict.fromkeys([*findings, *ranked]) if word in counts and word not in FUNCTION_WORDS]
    return sorted(content, key=lambda word: (word not in findings, -counts[word]))[:WORDS]  # stable: the rank stays


def shared_maps(systems: Sequence[System], words: Sequence[str], images: np.ndarray) -> np.ndarray:
    """The attention maps [maps, I, height, width] that are drawn, for one scale over all systems."""
    maps = [
        system.explanation.predicting_attention[list(system.words).index(word)]
        for system in systems
        for word in words
        if word in system.words
    ]
    return np.stack(maps) if maps else np.zeros((0, len(images), 1, 1))


def system_cells(system: System, words: Sequence[str], scale: Scale) -> list[Cell]:
    """Cells of films, discriminative maps and words in one row; bare films stand for those that a system lacks."""
    present = {cell.caption: cell for cell in map_cells(system.explanation)}
    cells = [next(iter(present.values())), *(present.get(name, Cell(name, 'has none')) for name in ('VDM', 'TDM'))]
    written = list(system.words)
    for word in words:
        known = word in written
        cells.append(
            word_cell(written, system.explanation, written.index(word), scale) if known else Cell(word, 'not written')
        )
    return cells


def draw_reports(page: Page, top: float, systems: Sequence[System], reference: str) -> float:
    """Draws the reference and the generated reports side by side. Returns the bottom."""
    texts = [('Reference report', reference.split()), *((system.name, system.words) for system in systems)]
    width = (page.width - 2 * MARGIN + COLUMN_GAP) // len(texts) - COLUMN_GAP
    bottoms = []
    for i, (name, words) in enumerate(texts):
        pieces = text_pieces(words) or [('(empty report)', False)]
        bottoms.append(draw_section(page, MARGIN + i * (width + COLUMN_GAP), top, width, name, pieces))
    return max(bottoms)
