"""The printed table says what is known, and how little."""

import numpy as np

from camanet_jax.lab.alignment.lesions import Lesion
from camanet_jax.lab.alignment.summary import MapSet, summarise
from camanet_jax.lab.alignment.table import format_table


def entry(count: int, value: float) -> dict:
    """Lesions of half the film, maps of which `value` lies inside."""
    lesions = [Lesion('test', i, str(i), 3, np.array([[[1.0, 0.0]]])) for i in range(count)]
    return summarise(MapSet(lesions, np.tile([value, 1 - value], (count, 1))))


def test_values_stand_beside_chance_and_remarks_below():
    found = {
        'split': 'test',
        'lesions': 40,
        'studies': 40,
        'source': 'masks',
        'lesions_by_split': {'test': 40},
        'maps': {'vdm': entry(40, 0.75), 'words_generated': entry(12, 0.5)},
    }
    lines = format_table(found).splitlines()
    assert lines[0] == 'test: 40 lesions (masks; 40 in test) of 40 studies'
    assert lines[2].split()[:6] == ['vdm', '40', 'pointing', '1.000', '[1.000,', '1.000]']
    assert lines[3].split() == [
        'energy',
        '0.750',
        '[0.750,',
        '0.750]',
        '0.500',
        '+0.250',
        '[+0.250,',
        '+0.250]',
        '+0.000',
        '[+0.000,',
        '+0.000]',
    ]
    assert any(line.startswith('vdm: visual') and line.endswith('each lesion') for line in lines)
    assert any(line.endswith('(n = 12: no claim; 12 of 12 are flat: measured as chance)') for line in lines)
