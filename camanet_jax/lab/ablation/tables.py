"""A table of results, whatever it is about: rows from the paper and rows of our own under the same columns."""

import dataclasses
import statistics
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

NOT_GIVEN, NOT_MEASURED = '–', 'not measured'
PAPER, HERE = 'paper', 'here'


class Value(NamedTuple):
    """A mean over seeds.

    Attributes:
      deviation: sample standard deviation; None for a single seed.
      places: decimals to show.
      above: of a difference, in how many seeds it is above 0.
    """

    mean: float
    deviation: float | None
    seeds: int
    places: int = 3
    above: int | None = None

    def __str__(self) -> str:
        sign, count = ('', '') if self.above is None else ('+', f' ({self.above} of {self.seeds})')
        deviation = '' if self.deviation is None else f' ± {self.deviation:.{self.places}f}'
        return f'{self.mean:{sign}.{self.places}f}{deviation}{count}'


Cell = Value | Decimal | str | None


def mean_value(values: Sequence[float], places: int = 3) -> Value | None:
    """Over seeds; None where there is no value."""
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Value(statistics.fmean(values), deviation, len(values), places)


def mean_gain(gains: Sequence[float]) -> Value | None:
    """Of differences over seeds, with the number of seeds that gain."""
    value = mean_value(gains)
    return value and value._replace(above=sum(gain > 0 for gain in gains))


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
      data_set, system: what the values are of. source: PAPER or HERE.
      cells: as many as the table has columns.
    """

    data_set: str
    system: str
    source: str
    cells: tuple[Cell, ...]


@dataclasses.dataclass(frozen=True)
class Table:
    """A table with what must be known to read it.

    Attributes:
      name: of its files, e.g. table_4. title: its heading.
      columns: names of the rows' cells.
      notes: sentences beneath it; commands in backquotes.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def header(self) -> tuple[str, ...]:
        """All column heads."""
        return 'data set', 'system', 'source', *self.columns

    def lines(self) -> list[tuple[str, ...]]:
        """Every row as shown."""
        return [(row.data_set, row.system, row.source, *map(shown, row.cells)) for row in self.rows]


def shown(cell: Cell) -> str:
    """A cell as text."""
    return NOT_GIVEN if cell is None else str(cell)


def not_measured(data_set: str, system: str, columns: int) -> Row:
    """The row of a system that was not run, which says so once."""
    return Row(data_set, system, HERE, (NOT_MEASURED, *[''] * (columns - 1)))
