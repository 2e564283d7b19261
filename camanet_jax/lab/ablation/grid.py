"""All runs of an ablation, one after the other in this process: each is trained, scored and measured once.

In one process Python, the data and JAX start only once. Compiled programs are shared through the persistent compile
cache; systems that differ only in lambda, delta or the seed have the same ones. Output folder:

    grid.json  runs/<system>-seed<n>/ (workdirs)  failures/<run>.txt  .jax_cache/
"""

import dataclasses
import logging
import shutil
import signal
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from camanet_jax import configuration, sharding
from camanet_jax.data.sources import Source
from camanet_jax.evaluate import Evaluator, write_predictions
from camanet_jax.experiment import open_split
from camanet_jax.lab.ablation.selection import measure_selection
from camanet_jax.lab.ablation.systems import TIMED, system_config, system_fields
from camanet_jax.lab.alignment import measurement
from camanet_jax.run import runtime
from camanet_jax.run.files import read_json, write_json, write_text
from camanet_jax.run.provenance import code_in_words, code_version, in_rows, run_provenance
from camanet_jax.run.workdir import TrainedRun, open_trained
from camanet_jax.run.workers import Stopped
from camanet_jax.train import train

LOG = logging.getLogger(__name__)

RUNS, GRID, FAILURES = 'runs', 'grid.json', 'failures'
CODE = 'code.json'  # in a run's workdir, from before its first step

COST, ALIGNMENT, SELECTION, LABELS = 'cost.json', 'alignment.json', 'selection.json', 'labels.json'
LAST = 'predictions/test_last.jsonl'


@dataclasses.dataclass(frozen=True)
class Run:
    """One system with one seed, and its workdir."""

    system: str
    seed: int
    workdir: Path

    @property
    def name(self) -> str:
        """The name of its workdir."""
        return self.workdir.name


def complete_grid(config: ConfigDict, file: Path, output: Path, systems: Sequence[str], seeds: int) -> list[str]:
    """Completes the grid of `output`; returns the names of the runs that failed.

    Args:
      config: the unresolved configuration that each system changes; it was read from `file`.

    Raises:
      ValueError: a system is unknown, or the folder holds runs of other code.
    """
    for name in systems:
        system_fields(name)  # all names are checked before the first run
    check_code(output)
    runtime.prepare(config, output / RUNS)
    record_grid(output, config=str(file), systems=list(systems), seeds=seeds)
    return run_grid(config, list_runs(output, systems, seeds), output / FAILURES)


def list_runs(output: Path, systems: Sequence[str], seeds: int) -> list[Run]:
    """Every run, by seed first, so that a grid that was stopped early still compares systems on the same seeds."""
    return [Run(system, seed, output / RUNS / f'{system}-seed{seed}') for seed in range(seeds) for system in systems]


def run_grid(config: ConfigDict, runs: Sequence[Run], failures: Path) -> list[str]:
    """Completes every run; returns the names of those that failed, which do not stop the others.

    Args:
      config: the unresolved configuration that each system changes.
      failures: a folder for the traces of failed runs.

    Raises:
      Stopped: the process received SIGTERM; finished work is saved.
    """
    failed = []
    for number, run in enumerate(runs, 1):
        signal.signal(signal.SIGTERM, lambda *_: exit_stopped())
        began, title = time.monotonic(), f'{run.name} ({number} of {len(runs)})'
        try:
            did = complete_run(run, system_config(config, run.system, run.seed))
        except Exception as error:  # the other runs continue
            failed.append(run.name)
            write_text(failures / f'{run.name}.txt', ''.join(traceback.format_exception(error)))
            LOG.error('%s failed: %s', title, error)
            continue
        (failures / f'{run.name}.txt').unlink(missing_ok=True)
        LOG.info('%s %s', title, f'took {time.monotonic() - began:.0f} s' if did else 'was finished')
        jax.clear_caches()  # compiled programs of dozens of runs would pile up
    return failed


def complete_run(run: Run, config: ConfigDict) -> bool:
    """Trains, scores and measures, as far as that has not been done; returns whether there was anything to do."""
    trained = is_finished(run.workdir, config)
    if not trained:
        LOG.info('Training %s', run.workdir)
        run.workdir.mkdir(parents=True, exist_ok=True)
        write_json(run.workdir / CODE, code_version())
        try:
            train(config, run.workdir)
        except Stopped:
            exit_stopped()
    return measure_run(run.workdir, config, with_cost=run.system in TIMED) or not trained


def is_finished(workdir: Path, config: ConfigDict) -> bool:
    """Tells whether the run has scores; raises ValueError where they are another configuration's."""
    if not (workdir / 'scores.json').exists():
        return False
    recorded = configuration.completed(read_json(workdir / 'config.json'))
    what, remedy = f'{workdir} was made by another configuration', 'Use another --output, or the old values.'
    configuration.refuse_changes(recorded, configuration.as_data(config), what, remedy)
    return True


def recorded_code(workdir: Path) -> dict[str, str] | None:
    """The code that a run was trained with, or at least scored with; None where it was not recorded."""
    if (workdir / CODE).exists():
        return read_json(workdir / CODE)
    scores = workdir / 'scores.json'
    return read_json(scores).get('provenance', {}).get('code') if scores.exists() else None


def check_code(output: Path) -> None:
    """Refuses to complete a grid whose runs were made by other code, which could cause differences between systems.

    The digest of the sources decides, so that commits that do not change the package do not split a grid.

    Raises:
      ValueError: the folder holds runs of other code, or of code that was not recorded.
    """
    now = code_version()
    for workdir in sorted(path.parent for path in (output / RUNS).glob('*/config.json')):
        recorded = recorded_code(workdir)
        if (recorded or {}).get('sources') != now['sources']:
            known = f'check out {recorded["commit"]}' if 'commit' in (recorded or {}) else 'use the code that made it'
            raise ValueError(
                f'Expected every run in {output} to be made by the code that is running ({code_in_words(now)}), got '
                f'{workdir.name} by another: {code_in_words(recorded)}. To complete this grid, {known}; to start anew '
                'with the present code, give another --output.'
            )


def exit_stopped() -> None:
    """Exits like a process that SIGTERM has ended."""
    raise Stopped(128 + signal.SIGTERM)


def record_grid(output: Path, **fields: Any) -> None:
    """Writes grid.json; systems and seeds of earlier commands on the same folder stay in it."""
    known = read_grid(output) if (output / GRID).exists() else {'systems': [], 'seeds': 0}
    fields['systems'] = list(dict.fromkeys([*known['systems'], *fields['systems']]))
    fields['seeds'] = max(known['seeds'], fields['seeds'])
    write_json(output / GRID, known | fields)


def read_grid(output: Path) -> dict[str, Any]:
    """Reads grid.json."""
    if not (output / GRID).exists():
        raise ValueError(f'Expected an ablation in {output}, found no {GRID} there. Run it first, or check --output.')
    return read_json(output / GRID)


def measure_run(workdir: Path, config: ConfigDict, *, with_cost: bool) -> bool:
    """Writes the missing measurements of a trained workdir; returns whether there were any."""
    wanted = {COST: with_cost, SELECTION: config.model.vtac}
    missing = [name for name in MEASURES if wanted.get(name, True) and not (workdir / name).exists()]
    if missing:
        run, source = open_trained(workdir, config), open_split(config, 'test')
    for name in missing:
        MEASURES[name](workdir, run, source)
    return bool(missing)


def measure_cost(workdir: Path, run: TrainedRun, source: Source) -> None:
    """Writes cost.json: parameters, and seconds of a pass over the test split without compilation."""
    evaluator, seconds = Evaluator(run.experiment, sharding.make_mesh()), []
    for description in ('Warming up', 'Timing a test pass'):
        began = time.monotonic()
        evaluator.run(run.variables, source, description)
        seconds.append(time.monotonic() - began)
    sizes = [leaf.size for leaf in jax.tree.leaves(run.variables['params'])]
    write_json(workdir / COST, {'parameters': sum(sizes), 'test_seconds': seconds[-1], 'test_studies': len(source)})


def measure_alignment(workdir: Path, run: TrainedRun, source: Source) -> None:
    """Writes alignment.json, with the reason where the data have no lesion masks."""
    del source  # the measurement opens its splits
    if run.experiment.config.data.name == 'synthetic':
        measurement.write(workdir, measurement.measure(run, split='test'))
    else:
        write_json(workdir / ALIGNMENT, {'not_measured': 'The data set has no lesion masks.'})


def write_selection(workdir: Path, run: TrainedRun, source: Source) -> None:
    """Writes selection.json, for systems with VTAC."""
    write_json(workdir / SELECTION, measure_selection(run, source))


def write_labels(workdir: Path, run: TrainedRun, source: Source) -> None:
    """Writes labels.json: pseudo-labels by split and study, for scoring the classifier from a predictions file."""
    sources = {'val': open_split(run.experiment.config, 'val'), 'test': source}
    labels = {split: dict(zip(of.ids, of.labels.tolist(), strict=True)) for split, of in sources.items()}
    write_json(workdir / LABELS, labels)


def write_last(workdir: Path, run: TrainedRun, source: Source) -> None:
    """Writes predictions/test_last.jsonl: the test split's reports by the last checkpoint, whichever was selected."""
    if run.experiment.config.selection == 'last':  # has been scored as the selected one
        shutil.copy(workdir / 'predictions' / 'test.jsonl', workdir / LAST)
        return
    last = open_trained(workdir, run.experiment.config, newest=True)
    result = Evaluator(last.experiment, sharding.make_mesh()).run(last.variables, source, 'Evaluating the last step')
    config = configuration.as_data(last.experiment.config)
    write_predictions(workdir, 'test_last', result, in_rows(run_provenance(config, last.step)))


MEASURES = {
    COST: measure_cost,
    ALIGNMENT: measure_alignment,
    SELECTION: write_selection,
    LABELS: write_labels,
    LAST: write_last,
}
