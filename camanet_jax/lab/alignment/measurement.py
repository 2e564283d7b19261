"""Measures a run's maps on a split, writes the numbers to files and prints them as tables."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from camanet_jax.data.schema import SPLITS
from camanet_jax.experiment import open_split
from camanet_jax.generate.film_loading import film_transform
from camanet_jax.lab.alignment.lesions import ANY, Box, Lesion, find_lesions, read_boxes
from camanet_jax.lab.alignment.maps import MEANING, explain_studies, map_side
from camanet_jax.lab.alignment.summary import FEW, MapSet, lesion_scores, summarise
from camanet_jax.lab.alignment.table import compare_rows, format_comparison, format_table
from camanet_jax.results import provenance
from camanet_jax.run import runtime
from camanet_jax.run.files import read_json, read_json_lines, write_json, write_json_lines
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
      `maps`: an entry (`summary.summarise`) for each of the system's maps, by name (`maps.MEANING`); `rows`: the scores
      of every lesion; the numbers of lesions and studies, and `provenance`.

    Raises:
      ValueError: there are neither masks nor boxes, or the split has no lesions.
    """
    if split not in (*SPLITS, 'all'):
        raise ValueError(f'Expected a split of {(*SPLITS, "all")}, got {split!r}.')
    drawn = read_boxes(boxes) if boxes else None
    measured = [pair for name in (SPLITS if split == 'all' else (split,)) for pair in measure_split(run, name, drawn)]
    lesions = [lesion for lesion, _ in measured if lesion.observation != ANY]
    if not lesions:
        raise ValueError(f'Expected lesions in the split {split!r}, found none; --split=all looks in every split.')
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
        'provenance': provenance(run.experiment.config, run.step),
        'rows': lesion_rows(sets),
    }


def measure_split(run: TrainedRun, split: str, boxes: dict[str, list[Box]] | None) -> Measured:
    """Pairs every lesion of a split with its maps by name."""
    source = open_split(run.experiment.config, split)
    transform = film_transform(run.experiment.config.data)
    lesions = defaultdict(list)
    for lesion in find_lesions(split, source.records, transform, map_side(run), boxes):
        lesions[lesion.position].append(lesion)
    studies = explain_studies(run, source, sorted(lesions), f'Explaining {split}') if lesions else ()
    return [(lesion, study.maps(lesion)) for position, study in studies for lesion in lesions[position]]


def by_map(measured: Measured) -> dict[str, MapSet]:
    """The lesions and their maps, for every kind of map."""
    pairs_of = {name: [(lesion, maps[name]) for lesion, maps in measured if name in maps] for name in MEANING}
    return {
        name: MapSet([lesion for lesion, _ in pairs], np.stack([values for _, values in pairs]))
        for name, pairs in pairs_of.items()
        if pairs
    }


def lesion_rows(sets: dict[str, MapSet]) -> list[dict[str, Any]]:
    """A dict for every lesion: split, id, observation and, by map, its scores."""
    rows: dict[tuple, dict[str, Any]] = defaultdict(dict)
    for name, map_set in sets.items():
        for lesion, scores in zip(map_set.lesions, lesion_scores(map_set), strict=True):
            rows[lesion.split, lesion.study_id, lesion.name][name] = scores
    return [
        {'split': split, 'id': study, 'observation': observation, 'maps': maps}
        for (split, study, observation), maps in rows.items()
    ]


def write(workdir: str | Path, measurement: dict[str, Any]) -> list[Path]:
    """Writes the result of `measure` to `workdir`/alignment.json and, a line per lesion, alignment_lesions.jsonl."""
    summary, lesions = Path(workdir) / SUMMARY, Path(workdir) / LESIONS
    write_json_lines(lesions, measurement['rows'])
    write_json(summary, {name: value for name, value in measurement.items() if name != 'rows'})
    return [summary, lesions]


def measure_alignment(
    workdir: Path, split: str, boxes: Path | None, baseline: Path | None, data_dir: str | None
) -> None:
    """Measures a run, and its baseline unless that has been measured on the split; prints and compares them."""
    rows = {}
    for folder in [workdir, *([baseline] if baseline else [])]:
        measured = (folder / SUMMARY).exists() and read_json(folder / SUMMARY)['split'] == split
        if folder == workdir or not measured:
            config = get_config(str(folder))
            if data_dir:
                config.data_dir = data_dir
            runtime.prepare(config, folder)
            measurement = measure(open_trained(folder, config), split, boxes)
            print(f'{folder}\n{format_table(measurement)}')
            print('\n'.join(f'wrote {path}' for path in write(folder, measurement)))
        rows[folder] = read_json_lines(folder / LESIONS)
    if baseline:
        print(f'\n{workdir} above {baseline}\n{format_comparison(compare_rows(rows[workdir], rows[baseline]))}')
