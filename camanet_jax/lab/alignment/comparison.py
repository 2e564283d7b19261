"""Two systems on the same lesions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from camanet_jax.lab.alignment.summary import MEASURES, compare
from camanet_jax.lab.alignment.table import interval

Rows = Sequence[dict[str, Any]]


def compare_rows(rows: Rows, baseline: Rows) -> dict[str, Any]:
    """A system's maps against a baseline's maps of the same name, on the lesions for which both have one.

    Args:
      rows, baseline: every lesion's scores, as `measure` returns and alignment_lesions.jsonl holds them.

    Returns:
      By map: the number of lesions and, by measure, `summary.compare`'s value, baseline and difference.
    """
    theirs = {_key(row): row['maps'] for row in baseline}
    names = dict.fromkeys(name for row in rows for name in row['maps'] if name != 'lesion_itself')
    found = {}
    for name in names:
        pairs = [
            (row['id'], row['maps'][name], theirs[_key(row)][name])
            for row in rows
            if name in row['maps'] and name in theirs.get(_key(row), {})
        ]
        if pairs:
            found[name] = {'lesions': len(pairs)} | {measure: _compare(pairs, measure) for measure in MEASURES}
    return found


def _key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row['split'], row['id'], row['observation']


def _compare(pairs: list[tuple[str, dict, dict]], measure: str) -> dict[str, float]:
    values, baseline = (np.array([pair[which][measure] for pair in pairs]) for which in (1, 2))
    return compare(values, baseline, [study for study, _, _ in pairs])


def format_comparison(found: dict[str, Any]) -> str:
    """`compare_rows`'s result as text."""
    if not found:
        return 'no map that both have on the same lesions'
    lines = [f'{"map":<22}{"n":<6}{"measure":<10}{"value":<8}{"baseline":<10}difference [95%]']
    for name, entry in found.items():
        lines += [
            f'{name:<22}{entry["lesions"]:<6}{measure:<10}{entry[measure]["value"]:<8.3f}'
            f'{entry[measure]["baseline"]:<10.3f}{interval(entry[measure], "difference", "+")}'
            for measure in MEASURES
        ]
    return '\n'.join(lines)
