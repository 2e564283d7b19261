"""What a trained run is asked beside its scores: alignment, selection, the time of a test pass, its parameters."""

import json
import time
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from camanet_jax import sharding
from camanet_jax.evaluate import Evaluator
from camanet_jax.experiment import open_split
from camanet_jax.lab import alignment
from camanet_jax.lab.ablation.selection import measure_selection
from camanet_jax.run.metrics_log import replace_text
from camanet_jax.run.workdir import open_trained

COST, ALIGNMENT, SELECTION, LABELS = 'cost.json', 'alignment.json', 'selection.json', 'labels.json'


def measure_run(workdir: Path, config: ConfigDict, *, with_cost: bool) -> bool:
    """Writes the files that are missing in a trained workdir; returns whether one was."""
    left_out = [*([] if with_cost else [COST]), *([] if config.model.vtac else [SELECTION])]
    missing = [measure for name, measure in MEASURES.items() if name not in left_out and not (workdir / name).exists()]
    for measure in missing:
        measure(workdir, config)
    return bool(missing)


def measure_cost(workdir: Path, config: ConfigDict) -> None:
    """cost.json: parameters, and seconds of a pass over the test split, compilation not counted."""
    trained = open_trained(workdir, config)
    evaluator, source = Evaluator(trained.experiment, sharding.make_mesh()), open_split(config, 'test')
    seconds = []
    for description in ('Warming up', 'Timing a test pass'):
        began = time.monotonic()
        evaluator.run(trained.variables, source, description)
        seconds.append(time.monotonic() - began)
    sizes = [leaf.size for leaf in jax.tree.leaves(trained.variables['params'])]
    write_json(workdir / COST, {'parameters': sum(sizes), 'test_seconds': seconds[-1], 'test_studies': len(source)})


def measure_alignment(workdir: Path, config: ConfigDict) -> None:
    """alignment.json; says why where the data show no lesions."""
    if config.data.name == 'synthetic':
        alignment.write(workdir, alignment.measure(workdir, split='test'))
    else:
        write_json(workdir / ALIGNMENT, {'not_measured': 'The data set has no lesion masks.'})


def write_selection(workdir: Path, config: ConfigDict) -> None:
    """selection.json, of systems with VTAC."""
    del config  # the workdir has it
    write_json(workdir / SELECTION, measure_selection(workdir))


def write_labels(workdir: Path, config: ConfigDict) -> None:
    """labels.json: pseudo-labels by split and study, for scoring the classifier from the predictions file alone."""
    sources = {split: open_split(config, split) for split in ('val', 'test')}
    write_json(
        workdir / LABELS,
        {split: dict(zip(source.ids, source.labels.tolist(), strict=True)) for split, source in sources.items()},
    )


MEASURES = {COST: measure_cost, ALIGNMENT: measure_alignment, SELECTION: write_selection, LABELS: write_labels}


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Whole or not at all."""
    replace_text(path, json.dumps(data, indent=2) + '\n')
