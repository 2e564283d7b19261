"""What the command does: measures, writes, prints; against a baseline too."""

import json
from pathlib import Path

from camanet_jax.lab.alignment.comparison import compare_rows, format_comparison
from camanet_jax.lab.alignment.measurement import LESIONS, SUMMARY, measure, write
from camanet_jax.lab.alignment.table import format_table
from camanet_jax.run import runtime
from camanet_jax.run.workdir import get_config


def measure_alignment(
    workdir: Path, split: str, boxes: Path | None, baseline: Path | None, data_dir: str | None
) -> None:
    """Measures one run; the baseline only where its files are not of this split."""
    rows = {}
    for folder in [workdir, *([baseline] if baseline else [])]:
        if folder == workdir or not measured(folder, split):
            config = get_config(str(folder))
            if data_dir:
                config.data_dir = data_dir
            runtime.prepare(config, folder)
            found = measure(folder, split, boxes, config)
            print(f'{folder}\n{format_table(found)}')
            print('\n'.join(f'wrote {path}' for path in write(folder, found)))
        rows[folder] = [json.loads(line) for line in (folder / LESIONS).read_text().splitlines()]
    if baseline:
        print(f'\n{workdir} above {baseline}\n{format_comparison(compare_rows(rows[workdir], rows[baseline]))}')


def measured(folder: Path, split: str) -> bool:
    """Whether a run's files of this split are there."""
    return (folder / SUMMARY).exists() and json.loads((folder / SUMMARY).read_text())['split'] == split
