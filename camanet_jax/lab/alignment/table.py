"""The measurements as tables to print: one run against chance, and two runs on the same lesions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from camanet_jax.lab.alignment.maps import MEANING
from camanet_jax.lab.alignment.summary import FEW, MEASURES, compare
from camanet_jax.reporting.tables import text_table

COLUMNS = ('map', 'n', 'measure', 'value [95%]', 'chance', 'above chance [95%]', "above other studies' maps [95%]")
LEGEND = """
pointing: the lesion's share of the strongest patch; energy: the share of the map inside the lesion; iou: at the
threshold that is best for the lesions of all other studies. chance: a uniform map, for which each is the lesion's share
of the films. Intervals: bootstrap over studies. other studies' maps: the map of a study with the same observation,
against this study's lesion.
"""

Rows = Sequence[dict[str, Any]]


def format_table(result: dict[str, Any]) -> str:
    """Formats the result of `measure` as text."""
    splits = ', '.join(f'{count} in {split}' for split, count in result['lesions_by_split'].items())
    lesions = f'{result["lesions"]} lesions ({result["source"]}; {splits})'
    title = f'{result["split"]}: {lesions} of {result["studies"]} studies'
    rows = [_cells(name, entry, measure) for name, entry in result['maps'].items() for measure in MEASURES]
    lines = [title, *text_table([COLUMNS, *rows], left=len(COLUMNS))]
    lines += ['', *(f'{name}: {MEANING[name]}' + _remarks(entry) for name, entry in result['maps'].items()), LEGEND]
    if (hiding := result.get('hiding', {'lesions': 0}))['lesions']:
        lines.append(
            f"Log-probability of a finding's own words in the reference, fall where the lesion's visual tokens are "
            f'hidden: {interval(hiding)} nats a word; where as many elsewhere are: {hiding["baseline"]:.3f}; '
            f'difference {interval(hiding, "difference", "+")} (n = {hiding["lesions"]}).'
        )
    return '\n'.join(lines + ([result['note']] if 'note' in result else []))


def _cells(name: str, entry: dict[str, Any], measure: str) -> tuple[str, ...]:
    """One row; the first of a map names it."""
    first, scores, others = measure == MEASURES[0], entry[measure], entry['other_studies'].get(measure)
    return (
        name if first else '',
        str(entry['lesions']) if first else '',
        measure,
        interval(scores),
        f'{scores["chance"]:.3f}',
        interval(scores, 'difference', '+'),
        interval(others, 'difference', '+') if others else '',
    )


def interval(scores: dict[str, float], name: str = 'value', sign: str = '') -> str:
    """A number of `summary.compare` with its interval."""
    prefix = '' if name == 'value' else f'{name}_'
    value, low, high = scores[name], scores[f'{prefix}low'], scores[f'{prefix}high']
    return f'{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]'


def _remarks(entry: dict[str, Any]) -> str:
    """Warnings about a map's numbers."""
    remarks = []
    if entry['lesions'] < FEW:
        remarks.append(f'n = {entry["lesions"]}: no claim')
    if entry['flat_maps']:
        remarks.append(f'{entry["flat_maps"]} of {entry["lesions"]} are flat: measured as chance')
    return f' ({"; ".join(remarks)})' if remarks else ''


def compare_rows(rows: Rows, baseline: Rows) -> dict[str, Any]:
    """Compares a system's maps with a baseline's of the same name, on the lesions for which both have one.

    Args:
      rows, baseline: every lesion's scores (`measure`, or alignment_lesions.jsonl).

    Returns:
      By map: the number of lesions and, by measure, the result of `summary.compare`.
    """
    theirs = {_key(row): row['maps'] for row in baseline}
    names = dict.fromkeys(name for row in rows for name in row['maps'] if name != 'lesion_itself')
    comparison = {}
    for name in names:
        pairs = [
            (row['id'], row['maps'][name], theirs[_key(row)][name])
            for row in rows
            if name in row['maps'] and name in theirs.get(_key(row), {})
        ]
        if pairs:
            comparison[name] = {'lesions': len(pairs)} | {measure: _compare(pairs, measure) for measure in MEASURES}
    return comparison


def _key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row['split'], row['id'], row['observation']


def _compare(pairs: list[tuple[str, dict, dict]], measure: str) -> dict[str, float]:
    values, baseline = (np.array([pair[which][measure] for pair in pairs]) for which in (1, 2))
    return compare(values, baseline, [study for study, _, _ in pairs])


def format_comparison(comparison: dict[str, Any]) -> str:
    """Formats the result of `compare_rows` as text."""
    if not comparison:
        return 'no map that both have on the same lesions'
    rows = [('map', 'n', 'measure', 'value', 'baseline', 'difference [95%]')]
    for name, entry in comparison.items():
        for measure in MEASURES:
            value, baseline = (f'{entry[measure][key]:.3f}' for key in ('value', 'baseline'))
            difference = interval(entry[measure], 'difference', '+')
            rows.append((name, str(entry['lesions']), measure, value, baseline, difference))
    return '\n'.join(text_table(rows, left=len(rows[0])))
