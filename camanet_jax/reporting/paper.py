"""The values of the paper's tables (paper.json), with their digits as printed."""

import functools
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).with_name('paper.json')


class PaperTable(NamedTuple):
    """One table of the paper."""

    title: str
    columns: tuple[str, ...]  # names of the values
    # By data set and row, the values in the order of the columns; None where the paper prints none.
    data_sets: dict[str, dict[str, list[Decimal | None]]]


@functools.cache
def read_paper() -> dict[str, Any]:
    """Reads the whole file; numbers are decimals, so that 0.220 stays 0.220."""
    return json.loads(FILE.read_text(encoding='utf8'), parse_float=Decimal)


def paper_table(number: str) -> PaperTable:
    """A table by its Roman number."""
    table = read_paper()['tables'][number]
    return PaperTable(table['title'], tuple(table['columns']), table['data_sets'])
