"""Measures a run's maps on a split: the story from workdir to numbers."""

import json
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from camanet_jax.alignment.boxes import Box, read_boxes
from camanet_jax.alignment.lesions import Lesion, find_lesions
from camanet_jax.alignment.maps import explain_studies, map_side
from camanet_jax.alignment.summary import summarise
from camanet_jax.data.schema import SPLITS
from camanet_jax.data.transforms import eval_image
from camanet_jax.experiment import open_split
from camanet_jax.metrics_log import replace_text
from camanet_jax.results import provenance
from camanet_jax.workdir import TrainedRun, open_trained

FILE = 'alignment.json'
FEW = 30  # lesions; of fewer nothing is claimed
ITSELF = 'lesion_itself'  # the lesion as its own map: what this grid of patches lets a map reach


def measure(workdir: str | Path, split: str = 'test', boxes: str | Path | None = None) -> dict[str, Any]:
    """Measures where the maps of a trained run lie against the lesions of a split.

    Args:
      workdir: of a run with a checkpoint; the best one is taken.
      split: 'train', 'val', 'test', or 'all'.
      boxes: a file of boxes, for data without masks.

    Returns:
      `maps`: an entry (`summary.summarise`) by map name, only those that the system has; `lesions`, `studies`, `split`
      and `provenance`.

    Raises:
      ValueError: the data have no masks and no boxes are given, or the split holds none of the lesions.
    """
    run = open_trained(workdir)
    known = read_boxes(boxes) if boxes else None
    measured = [pair for name in (SPLITS if split == 'all' else (split,)) for pair in measure_split(run, name, known)]
    if not measured:
        raise ValueError(f'Expected lesions in the split {split!r} of {workdir}, found none; try --split=all.')
    entries = {name: summarise(*columns) for name, columns in by_map(measured).items()}
    found = {'split': split, 'lesions': len(measured), 'studies': len({lesion.study_id for lesion, _ in measured}),
             'maps': entries, 'provenance': provenance(run.experiment.config, run.step)}
    if len(measured) < FEW:
        found['note'] = f'{len(measured)} lesions allow no claim; the intervals show how little they say.'
    return found


def measure_split(run: TrainedRun, split: str, boxes: dict[str, list[Box]] | None):
    """Every lesion of a split with its maps by name."""
    config = run.experiment.config
    source = open_split(config, split)
    transform = partial(eval_image, eval_transform=config.data.eval_transform, image_size=config.data.image_size,
                        resize_size=config.data.resize_size)
    lesions = defaultdict(list)
    for lesion in find_lesions(source.records, transform, map_side(run), boxes):
        lesions[lesion.position].append(lesion)
    studies = explain_studies(run, source, sorted(lesions), f'Explaining {split}') if lesions else ()
    return [(lesion, study.maps(lesion.observation) | {ITSELF: lesion.share.reshape(-1)})
            for position, study in studies for lesion in lesions[position]]


def by_map(measured: list[tuple[Lesion, dict[str, np.ndarray]]]) -> dict[str, tuple]:
    """For every map its arguments of `summarise`: the lesions for which there is one."""
    names = dict.fromkeys(name for _, maps in measured for name in maps)
    found = {}
    for name in names:
        pairs = [(lesion, maps[name]) for lesion, maps in measured if name in maps]
        lesions = [lesion for lesion, _ in pairs]
        found[name] = (np.stack([values for _, values in pairs]),
                       np.stack([lesion.share.reshape(-1) for lesion in lesions]),
                       [lesion.study_id for lesion in lesions],
                       np.array([lesion.observation for lesion in lesions]))
    return found


def write(workdir: str | Path, found: dict[str, Any]) -> Path:
    """`workdir`/alignment.json."""
    path = Path(workdir) / FILE
    replace_text(path, json.dumps(found, indent=2) + '\n')
    return path
