"""Tables of results: the paper's rows and our own under the same columns."""

import dataclasses
import statistics
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from camanet_jax.lab.ablation.results import DATA_SETS, Results
from camanet_jax.lab.ablation.systems import PRINTED_NAMES
from camanet_jax.metrics.bootstrap import Interval
from camanet_jax.reporting.paper import paper_table
from camanet_jax.run.provenance import code_in_words

NOT_GIVEN, NOT_MEASURED = '–', 'not measured'
PAPER, HERE = 'paper', 'here'

SCRIPT = 'python scripts/run_ablations.py'
FOREIGN_NOTE = "Rows of another data set than the paper's cannot be compared with its values, only with each other."


class Value(NamedTuple):
    """A mean over seeds, shown with some decimals."""

    mean: float
    deviation: float | None  # sample standard deviation; None for a single seed
    seeds: int
    decimals: int = 3
    above: int | None = None  # the number of seeds in which a difference is above 0
    interval: Interval | None = None  # of a difference, over seeds and studies

    def __str__(self) -> str:
        sign, count = ('', '') if self.above is None else ('+', f' ({self.above} of {self.seeds})')
        spread = '' if self.deviation is None else f' ± {self.deviation:.{self.decimals}f}'
        if self.interval:
            spread = f' [{self.interval.low:+.{self.decimals}f}, {self.interval.high:+.{self.decimals}f}]'
        return f'{self.mean:{sign}.{self.decimals}f}{spread}{count}'


Cell = Value | Decimal | str | None


def mean_value(values: Sequence[float], decimals: int = 3) -> Value | None:
    """The mean over seeds; None where there is no value."""
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Value(statistics.fmean(values), deviation, len(values), decimals)


def mean_gain(gains: Sequence[float]) -> Value | None:
    """The mean difference over seeds, with the number of seeds that gain."""
    value = mean_value(gains)
    return value and value._replace(above=sum(gain > 0 for gain in gains))


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a table."""

    data_set: str
    system: str
    source: str  # PAPER or HERE
    cells: tuple[Cell, ...]  # one for each column of the table


@dataclasses.dataclass(frozen=True)
class Table:
    """A table with notes on how to read it."""

    name: str  # e.g. table_4
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()  # sentences; commands in backquotes

    @property
    def header(self) -> tuple[str, ...]:
        """The headings of all columns."""
        return 'data set', 'system', 'source', *self.columns

    def lines(self) -> list[tuple[str, ...]]:
        """The cells of every row as texts."""
        return [(row.data_set, row.system, row.source, *map(shown, row.cells)) for row in self.rows]


def shown(cell: Cell) -> str:
    """A cell as text."""
    return NOT_GIVEN if cell is None else str(cell)


def not_measured(data_set: str, system: str, columns: int) -> Row:
    """The row of a system that was not run."""
    return Row(data_set, system, HERE, (NOT_MEASURED, *[''] * (columns - 1)))


def provenance_notes(results: Results, systems: Sequence[str] | None = None) -> tuple[str, ...]:
    """Configuration, variants, seeds, steps, split, protocol and versions of our rows; of all systems by default."""
    runs = [run for run in results.every_run() if systems is None or run.system in systems]
    if not runs:
        return ()
    names = dict.fromkeys(run.system for run in runs)
    parts = '; '.join(f'{name}: {_of_system(results, name)}' for name in names)
    recorded = [run.scores_file['provenance'] for run in runs]
    versions = dict.fromkeys(', '.join(map(' '.join, entry['versions'].items())) for entry in recorded)
    devices = dict.fromkeys(entry['device'] for entry in recorded)
    return (
        f'Rows "here": {results.config_file}, split test, protocol cut, ± sample standard deviation over seeds. '
        f'By system variant, seeds and steps of the selected checkpoints: {parts}.',
        f'Devices: {", ".join(devices)}. Versions: {"; or ".join(versions)}. Code: {code_in_words(runs[0].code)}.',
    )


def _of_system(results: Results, name: str) -> str:
    runs = results.runs(name)
    variants = ', '.join(dict.fromkeys(run.config['variant'] for run in runs))
    seeds = ', '.join(str(run.config['seed']) for run in runs)
    steps = ', '.join(str(run.scores_file['provenance']['step']) for run in runs)
    return f'{variants}, seeds {seeds}, steps {steps}'


def command_for(data_set: str, results: Results, systems: Sequence[str] | None = None) -> str:
    """A note with the command that measures the missing rows of a data set."""
    if data_set == results.data_set:
        file, output, flag = results.config_file, 'ablation', ''
        missing = [name for name in dict.fromkeys([*PRINTED_NAMES, *results.systems]) if not results.runs(name)]
    else:
        recipe = next(stem for stem, name in DATA_SETS.items() if name == data_set)
        file, output = f'configs/{recipe}.py', f'ablation_{recipe}'
        flag = f' --config.data_dir=/data/{"iu_xray" if data_set == "IU-Xray" else "mimic_cxr"}'
        missing = [key for key, name in PRINTED_NAMES.items() if name in paper_table('IV').data_sets[data_set]]
    return (
        f'Not measured, {data_set}: `{SCRIPT} --config={file} --systems={",".join(systems or missing)} '
        f'--seeds={results.seeds} --output=runs/{output}{flag}`'
    )


def finish(
    name: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Row],
    results: Results,
    notes: Sequence[str],
    systems: Sequence[str] | None = None,
    missing: Sequence[str] | None = None,
) -> Table:
    """Adds notes with the commands for missing rows and with the provenance of our own.

    Args:
      systems: those whose runs give our rows; None for all.
      missing: the systems of the commands; by default `systems`.
    """
    data_sets = dict.fromkeys(row.data_set for row in rows if row.cells[0] == NOT_MEASURED)
    commands = [command_for(data_set, results, missing or systems) for data_set in data_sets]
    foreign = () if any(row.data_set == results.data_set for row in rows if row.source == PAPER) else (FOREIGN_NOTE,)
    notes = (*notes, *foreign, *commands, *provenance_notes(results, systems))
    return Table(name, title, tuple(columns), tuple(rows), notes)
