"""What eight devices tell each other: in training gradients once, statistics and scalars; in evaluation results."""

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from front_door import succeed
from test_sharding import EIGHT

COLLECTIVE = re.compile(r'= (.*?) (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?\(')
STEP = str(Path(__file__).with_name('compiled_step.py'))
LAYERS, VIEWS = 2, 2  # of the tiny model


class Collective(NamedTuple):
    """One operation: its kind, the shapes of its results, and whether it runs once, outside all loops."""

    kind: str
    shapes: list[tuple[int, ...]]
    once: bool


def collectives(program: str) -> list[Collective]:
    """Of a compiled program's text."""
    found, once = [], False
    for line in program.splitlines():
        if line.endswith('{') and not line.startswith(' '):
            once = line.startswith('ENTRY')
        elif call := COLLECTIVE.search(line):
            shapes = [tuple(map(int, re.findall(r'\d+', sizes))) for sizes in re.findall(r'\w\[([\d,]*)\]', call[1])]
            found.append(Collective(call[2], shapes, once))
    return found


def matrices(shapes: Counter) -> dict[tuple[int, ...], int]:
    """Those of two axes and more."""
    return {shape: count for shape, count in shapes.items() if len(shape) > 1}


def compiled(step: str, compile_cache: Path) -> list[str]:
    """The parameters' shapes, and a program's text."""
    environment = EIGHT | {'JAX_COMPILATION_CACHE_DIR': str(compile_cache)}
    return succeed(step, program=(STEP,), environment=environment).split('\n', 1)


@pytest.mark.parametrize('parts', [pytest.param(1, marks=pytest.mark.slow), 2])
def test_gradients_cross_once_and_the_rest_is_statistics_and_scalars(parts, compile_cache):
    parameters, program = compiled(str(parts), compile_cache)
    found = collectives(program)
    large = [one for one in found if one.kind == 'all-reduce' and any(one.shapes)]
    assert len(large) == 1 and large[0].once
    # Of vectors, XLA leaves out those that are zero or equal to another one's: unused norms, biases that only shift.
    crossed = Counter(large[0].shapes)
    expected = Counter(tuple(shape) for shape in json.loads(parameters))
    assert matrices(crossed) == matrices(expected)
    assert all(crossed[shape] <= count for shape, count in expected.items())
    assert {shape for shape in crossed if shape} == set(expected)

    statistics = [one for one in found if one.kind != 'all-reduce']
    assert {one.kind for one in statistics} == {'all-gather', 'reduce-scatter'}
    assert {shape[:-1] for one in statistics for shape in one.shapes} == {(8, 2, VIEWS), (1, 2, VIEWS)}
    # The stem's two, one before each dense layer, one inside it, one of what it adds: each there and back.
    assert len(statistics) == 2 * (1 + 3 * LAYERS)
    assert all(one.once == (parts == 1) for one in statistics)


def test_devices_search_by_themselves(compile_cache):
    _, program = compiled('evaluate', compile_cache)
    found = collectives(program)
    assert ' while(' in program and all(one.once for one in found)
    shapes = {shape for one in found for shape in one.shapes}
    studies, length = 16, 16  # each device's rows of the results, and scalars
    assert (studies, length) in shapes or (studies, length - 1) in shapes
    assert all(not shape or shape[0] == studies and math.prod(shape) <= studies * length for shape in shapes), shapes
