"""The commands of scripts/run_ablations.py; every function returns the exit code."""

import logging
from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from camanet_jax.lab.ablation import comparison, page
from camanet_jax.lab.ablation.grid import FAILURES, RUNS, check_code, list_runs, record_grid, run_grid
from camanet_jax.lab.ablation.systems import system_fields
from camanet_jax.run import runtime

LOG = logging.getLogger(__name__)


def run(config: ConfigDict, file: Path, output: Path, systems: Sequence[str], seeds: int) -> int:
    """Completes the grid, then writes the tables of all finished runs; returns 1 where a run failed."""
    for name in systems:
        system_fields(name)  # all names are checked before the first run
    check_code(output)
    runtime.prepare(config, output / RUNS)
    record_grid(output, config=str(file), systems=list(systems), seeds=seeds)
    failed = run_grid(config, list_runs(output, systems, seeds), output / FAILURES)
    write_tables(output)
    for name in failed:
        LOG.error('Failed: %s; the traceback is in %s', name, output / FAILURES / f'{name}.txt')
    return int(bool(failed))


def write_tables(output: Path) -> int:
    """Writes tables from the predictions files and measurements in `output`."""
    runtime.set_up_logging()
    LOG.info('Tables written:\n  %s', '\n  '.join(str(path) for path in page.write_page(output)))
    return 0


def compare(workdirs: Sequence[str], output: Path, studies: int) -> int:
    """Draws figures of the same studies by several runs."""
    runtime.set_up_logging()
    written = comparison.draw_comparisons([Path(workdir) for workdir in workdirs], output / 'compare', studies)
    LOG.info('Figures written:\n  %s', '\n  '.join(str(path) for path in written))
    return 0
