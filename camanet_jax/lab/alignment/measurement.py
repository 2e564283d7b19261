"""Measures a run's maps on a split, writes the numbers to files and prints them as tables."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from camanet_jax.data.schema import SPLITS
from camanet_jax.experiment import open_split
from camanet_jax.generate.film_loading import film_transform
from camanet_jax.lab.alignment.hiding import Fall, measure_falls
from camanet_jax.lab.alignment.lesions import ANY, Box, Lesion, find_lesions, read_boxes
from camanet_jax.lab.alignment.maps import MEANING, explain_studies, map_side
from camanet_jax.lab.alignment.summary import FEW, MapSet, compare, lesion_scores, summarise
from camanet_jax.lab.alignment.table import compare_rows, format_comparison, format_table
from camanet_jax.results import provenance
from camanet_jax.run import runtime
from camanet_jax.run.files import read_json_lines, write_json, write_json_lines
from camanet_jax.run.workdir import TrainedRun, get_config, open_trained

SUMMARY, LESIONS = 'alignment.json', 'alignment_lesions.jsonl'

Measured = list[tuple[Lesion, dict[str, np.ndarray]]]


def measure(run: TrainedRun, split: str = 'test', boxes: str | Path | None = None) -> dict[str, Any]:
    """Compares the maps of a trained run with the lesions of a split.

    Args:
      run: opened by `run.workdir.open_trained`.
      split: 'train', 'val', 'test', or 'all'.
      boxes: a file of boxes (`lesions.read_boxes`), for data without masks.

    Returns:
      `maps`: an entry (`summary.summarise`) for each of the system's maps, by name (`maps.MEANING`); `hiding`: by how
      much hiding a lesion lowers its words' log-probability (`hiding.measure_falls`), beside the control; `rows`: the
      scores of every lesion; the numbers of lesions and studies, and `provenance`.

    Raises:
      ValueError: there are neither masks nor boxes, or the split has no lesions.
    """
    if split not in (*SPLITS, 'all'):
        raise ValueError(f'Expected a split of {(*SPLITS, "all")}, got {split!r}.')
    drawn = read_boxes(boxes) if boxes else None
    measured, falls = [], []
    for name in SPLITS if split == 'all' else (split,):
        of_split = measure_split(run, name, drawn)
        measured += of_split[0]
        falls += of_split[1]
    lesions = [lesion for lesion, _ in measured if lesion.observation != ANY]
    if not lesions:
        raise ValueError(f'Expected lesions in the split {split!r}, found none; --split=all looks in every split.')
    if len(views := {len(lesion.share) for lesion in lesions}) > 1:
        raise ValueError(
            f'Expected as many films in every study with lesions, got {sorted(views)}. Measure them apart.'
        )
    few = f'n = {len(lesions)} allows no claim; the intervals show how little so few lesions say.'
    sets = by_map(measured)
    return {
        'split': split,
        'lesions': len(lesions),
        'lesions_by_split': dict(Counter(lesion.split for lesion in lesions)),
        'studies': len({lesion.study_id for lesion in lesions}),
        'source': 'boxes' if boxes else 'masks',
        **({'note': few} if len(lesions) < FEW else {}),
        'maps': {name: summarise(map_set) for name, map_set in sets.items()},
        'hiding': summarise_falls(falls),
        'provenance': provenance(run.experiment.config, run.step),
        'rows': lesion_rows(sets, falls),
    }


def measure_split(run: TrainedRun, split: str, boxes: dict[str, list[Box]] | None) -> tuple[Measured, list[Fall]]:
    """Every lesion of a split with its maps by name, and what hiding it does to its words."""
    source = open_split(run.experiment.config, split)
    transform = film_transform(run.experiment.config.data)
    lesions = defaultdict(list)
    for lesion in find_lesions(split, source.records, transform, map_side(run), boxes):
        lesions[lesion.position].append(lesion)
    studies = explain_studies(run, source, sorted(lesions), f'Explaining {split}') if lesions else ()
    measured = [(lesion, study.maps(lesion)) for position, study in studies for lesion in lesions[position]]
    return measured, list(measure_falls(run, source, [lesion for lesion, _ in measured]))


def summarise_falls(falls: list[Fall]) -> dict[str, Any]:
    """The mean fall in nats a word, the control's as its baseline (`summary.compare`); nothing without lesions."""
    if not falls:
        return {'lesions': 0}
    lesions, own, control = zip(*falls, strict=True)
    studies = [lesion.study_id for lesion in lesions]
    return {'lesions': len(falls)} | compare(np.array(own), np.array(control), studies)


def by_map(measured: Measured) -> dict[str, MapSet]:
    """The lesions and their maps, for every kind of map."""
    pairs_of = {name: [(lesion, maps[name]) for lesion, maps in measured if name in maps] for name in MEANING}
    return {
        name: MapSet([lesion for lesion, _ in pairs], np.stack([values for _, values in pairs]))
        for name, pairs in pairs_of.items()
        if pairs
    }


def lesion_rows(sets: dict[str, MapSet], falls: list[Fall]) -> list[dict[str, Any]]:
    """A dict for every lesion: split, id, observation, its scores by map and, where its words were, their falls."""
    hiding = {
        (lesion.split, lesion.study_id, lesion.name): {'hiding': {'lesion': own, 'elsewhere': control}}
        for lesion, own, control in falls
    }
    rows: dict[tuple, dict[str, Any]] = defaultdict(dict)
    for name, map_set in sets.items():
        for lesion, scores in zip(map_set.lesions, lesion_scores(map_set), strict=True):
            rows[lesion.split, lesion.study_id, lesion.name][name] = scores
    return [
        {'split': split, 'id': study, 'observation': observation, 'maps': maps}
        | hiding.get((split, study, observation), {})
        for (split, study, observation), maps in rows.items()
    ]


def write(workdir: str | Path, measurement: dict[str, Any]) -> list[Path]:
    """Writes the result of `measure` to `workdir`/alignment.json and, a line per lesion, alignment_lesions.jsonl."""
    summary, lesions = Path(workdir) / SUMMARY, Path(workdir) / LESIONS
    write_json_lines(lesions, measurement['rows'])
    write_json(summary, {name: value for name, value in measurement.items() if name != 'rows'})
    return [summary, lesions]


def measure_alignment(
    workdir: Path,
    split: str,
    boxes: Path | None,
    baseline: Path | None,
    data_dir: str | None,
    fewer_views: str | None,
    newest: bool,
) -> None:
    """Measures a run and its baseline, both in the same way; prints and compares them."""
    rows = {}
    for folder in [workdir, *([baseline] if baseline else [])]:
        config = get_config(str(folder))
        config.data_dir = data_dir or config.data_dir
        config.data.fewer_views = fewer_views or config.data.fewer_views
        runtime.prepare(config, folder)
        measurement = measure(open_trained(folder, config, newest=newest), split, boxes)
        print(f'{folder}\n{format_table(measurement)}')
        print('\n'.join(f'wrote {path}' for path in write(folder, measurement)))
        rows[folder] = read_json_lines(folder / LESIONS)
    if baseline:
        print(f'\n{workdir} above {baseline}\n{format_comparison(compare_rows(rows[workdir], rows[baseline]))}')
