"""The package as a whole: which part may import which, inside functions too, and how docstrings begin."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = 'camanet_jax'
FILES = sorted((ROOT / PACKAGE).rglob('*.py'))
TOP = '.'


def imported(path: Path) -> Iterator[str]:
    """Names of the package's modules and members that a file imports, without the package's own name."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf8'))):
        if isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] == PACKAGE:
            yield from (f'{node.module}.{name.name}'.partition('.')[2] for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name.partition('.')[2] for name in node.names if name.name.startswith(f'{PACKAGE}.'))


def room(name: str) -> str:
    """The folder of the package that a dotted name lies in; TOP for the modules beside the folders."""
    first = name.split('.')[0]
    return first if (ROOT / PACKAGE / first).is_dir() else TOP


def room_of(path: Path) -> str:
    """The folder of the package that a file lies in."""
    return path.relative_to(ROOT / PACKAGE).parts[0] if path.parent != ROOT / PACKAGE else TOP


EDGES = {
    (room_of(path), room(name)): f'{path.relative_to(ROOT)} imports {name}' for path in FILES for name in imported(path)
}
ROOMS = sorted({room_of(path) for path in FILES} - {TOP})


def test_the_rooms_are_found():
    assert {'models', 'data', 'run', 'lab', 'reporting'} <= set(ROOMS) and ('lab', 'models') in EDGES


def test_no_two_rooms_import_each_other():
    mutual = [pair for pair in combinations(ROOMS, 2) if {pair, pair[::-1]} <= EDGES.keys()]
    assert not mutual, '\n'.join(EDGES[edge] for a, b in mutual for edge in ((a, b), (b, a)))


@pytest.mark.parametrize(
    'importer, other',
    [('data', 'labeling'), ('data', 'preparation'), ('data', 'synthetic'), ('reporting', 'lab'), ('models', 'data')],
)
def test_a_room_does_without_another(importer, other):
    assert (importer, other) not in EDGES, EDGES[importer, other]


def test_the_experiment_imports_no_preparation():
    assert 'preparation' not in {room(name) for name in imported(ROOT / PACKAGE / 'experiment.py')}


def test_only_scripts_import_the_lab():
    outside = [edge for (importer, other), edge in EDGES.items() if other == 'lab' and importer != 'lab']
    assert not outside, '\n'.join(outside)


def test_the_top_level_stays_small():
    modules = [path.stem for path in FILES if room_of(path) == TOP and path.stem != '__init__']
    assert len(modules) <= 14, modules


def test_docstrings_begin_with_a_verb_or_a_noun():
    definitions = [
        (path, node)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding='utf8')))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    odd = [
        f'{path.relative_to(ROOT)}: {node.name}'
        for path, node in definitions
        if re.match(r'(Of|What|Whether|Which|How|Where|When|If)\b', ast.get_docstring(node) or '')
    ]
    assert len(definitions) > 1000 and not odd, odd


def test_training_needs_no_package_for_dicom_and_starts_without_nltk():
    without = "import sys; sys.modules['pydicom'] = sys.modules['nltk'] = None"
    program = f'{without}; import camanet_jax.train, camanet_jax.generate.generate'
    subprocess.run([sys.executable, '-c', program], check=True, cwd=ROOT)
