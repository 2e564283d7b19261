"""The measurements as a table to print."""

from typing import Any

from camanet_jax.lab.alignment.maps import MEANING
from camanet_jax.lab.alignment.measurement import FEW
from camanet_jax.lab.alignment.summary import MEASURES

COLUMNS = ('map', 'n', 'measure', 'value [95%]', 'chance', 'above chance [95%]', "above other studies' maps [95%]")
WIDTHS = (20, 5, 8, 20, 6, 22, 22)
LEGEND = """
pointing: how much of the strongest patch is lesion; energy: the map's share inside it; iou: at the threshold that is
best for the lesions of all other studies. chance: a uniform map, which is the lesion's share of the films. Intervals:
bootstrap over studies. other studies' maps: of a study with the same observation, against this one's lesion.
"""


def format_table(found: dict[str, Any]) -> str:
    """What `measure` returned, as text."""
    splits = ', '.join(f'{count} in {split}' for split, count in found['lesions_by_split'].items())
    title = f'{found["split"]}: {found["lesions"]} lesions ({found["source"]}; {splits}) of {found["studies"]} studies'
    lines = [title, _line(COLUMNS)]
    for name, entry in found['maps'].items():
        lines += [_line(_cells(name, entry, measure)) for measure in MEASURES]
    lines += ['', *(f'{name}: {MEANING[name]}' + _remarks(entry) for name, entry in found['maps'].items()), LEGEND]
    return '\n'.join(lines + ([found['note']] if 'note' in found else []))


def _line(cells: tuple[str, ...]) -> str:
    return '  '.join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def _cells(name: str, entry: dict[str, Any], measure: str) -> tuple[str, ...]:
    """One row; the map is named on its first."""
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
    """A number of `summary.compare` with its bounds."""
    prefix = '' if name == 'value' else f'{name}_'
    value, low, high = scores[name], scores[f'{prefix}low'], scores[f'{prefix}high']
    return f'{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]'


def _remarks(entry: dict[str, Any]) -> str:
    """What to know before reading a map's numbers."""
    remarks = []
    if entry['lesions'] < FEW:
        remarks.append(f'n = {entry["lesions"]}: no claim')
    if entry['flat_maps']:
        remarks.append(f'{entry["flat_maps"]} of {entry["lesions"]} are flat: measured as chance')
    return f' ({"; ".join(remarks)})' if remarks else ''
