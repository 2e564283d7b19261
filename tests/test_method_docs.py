"""docs/method.md: every file, function and test that it names is there, and its lists are the code's."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from front_door import ROOT

from camanet_jax.configuration import VARIANTS

PACKAGE = ROOT / 'camanet_jax'
TEXT = (ROOT / 'docs' / 'method.md').read_text(encoding='utf8')
NAMES = sorted(set(re.findall(r'`([\w/]+\.py)(?::([\w.]+))?`', TEXT)))
LISTED = re.findall(r'^\d+\. `([\w/]+\.py)`', TEXT, re.MULTILINE)


def path_of(name: str) -> Path:
    """A file that the page names: in the package, or below another folder of the repository."""
    return (ROOT if name.split('/')[0] in ('tests', 'scripts', 'configs') else PACKAGE) / name


def defined(body: list[ast.stmt], prefix: str = '') -> Iterator[str]:
    """Names that a module or class defines, members as 'Class.member'."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from defined(node.body, f'{node.name}.')
        elif isinstance(node, ast.Assign):
            yield from (prefix + target.id for target in node.targets if isinstance(target, ast.Name))


def imported(path: Path) -> set[Path]:
    """The package's files that a file imports, directly or not, with itself."""
    found, waiting = set(), [path]
    while waiting:
        found.add(path := waiting.pop())
        for node in ast.walk(ast.parse(path.read_text(encoding='utf8'))):
            if isinstance(node, ast.ImportFrom) and node.module.split('.')[0] == 'camanet_jax':
                base = ROOT / node.module.replace('.', '/')
                files = {base.with_suffix('.py'), *((base / alias.name).with_suffix('.py') for alias in node.names)}
                waiting += [file for file in files if file.is_file() and file not in found]
    return found


@pytest.mark.parametrize(('file', 'name'), NAMES)
def test_what_the_page_names_is_there(file, name):
    body = ast.parse(path_of(file).read_text(encoding='utf8')).body
    assert not name or name in set(defined(body))


def test_every_folder_of_the_package_has_its_line():
    folders = {path.parent.name for path in PACKAGE.glob('*/__init__.py')} - {'models'}
    assert set(re.findall(r'^\| `(\w+)/` \|', TEXT, re.MULTILINE)) == folders


def test_every_equation_has_a_function_and_a_test():
    rows = re.findall(r'^\| (\([\d(), ]+\)) \|[^|]*\| (`.*?) \| (`tests/.*) \|$', TEXT, re.MULTILINE)
    numbers = [int(number) for cell, *_ in rows for number in re.findall(r'\d+', cell)]
    assert numbers == list(range(1, 20))


def test_every_field_of_a_variant_has_its_row():
    for field, value in VARIANTS['paper'].items():
        assert re.search(rf'^\| `{field}` \| `{value}`.* \| `{VARIANTS["official"][field]}`', TEXT, re.MULTILINE), field


def test_the_files_of_one_step_are_what_it_imports():
    files = imported(PACKAGE / 'train_step.py')
    assert {path_of(name) for name in LISTED} == files
    whole = files | {PACKAGE / 'train.py', PACKAGE / 'decoding.py'}
    stated = re.findall(r'(\d+)\s+files,\s+about\s+([\d,]+)\s+lines', TEXT)
    for (count, lines), part in zip(stated, (files, whole), strict=True):
        assert int(count) == len(part)
        assert int(lines.replace(',', '')) == pytest.approx(sum(len(f.read_text().splitlines()) for f in part), rel=0.1)
