"""The same studies by several runs, one figure a study (Figures 6 and 7)."""

from pathlib import Path

import numpy as np

from camanet_jax.evaluate import SplitResult
from camanet_jax.experiment import open_split
from camanet_jax.generate.reporter import GeneratedReport, Reporter
from camanet_jax.lab.ablation.comparison import System, draw_comparison
from camanet_jax.reporting.study_figures import chosen_rows, load_images
from camanet_jax.run.workdir import TrainedRun, open_trained


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
    positions = chosen_rows(SplitResult([], {}, np.zeros(0), labels, []), min(studies, len(source)))
    films = load_images(experiment, source, positions)
    reports = [Reporter(run).generate(films) for run in runs]
    written = []
    for i, position in enumerate(positions):
        study = source.studies[position]
        systems = [as_system(workdir, found[i]) for workdir, found in zip(workdirs, reports, strict=True)]
        path = folder / f'{study.id.replace("/", "_")}.png'
        written.append(draw_comparison(path, films[i], systems, study_id=study.id, reference=study.report))
    return written


def as_system(workdir: Path, found: GeneratedReport) -> System:
    """A row of the figure."""
    return System(workdir.name, found.words, found.explanation)


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
