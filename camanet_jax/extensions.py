"""Your own functions and classes, named by a configuration; docs/extend.md has a recipe for each.

A name is 'package.module:name', or 'file.py:name' for a file by its path from the current folder. The configuration,
and with it the workdir, records the name alone: it must be found again where a run is resumed or opened.
"""

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any


def find(field: str, name: str) -> Callable[..., Any]:
    """Returns the function or class called `name`; the same object each time.

    Raises:
      ValueError: nothing has that name, or it cannot be called; `field` says where it was given.
    """
    origin, colon, attribute = name.rpartition(':')
    if not colon or not origin or not attribute:
        raise ValueError(f"{field}: expected 'file.py:name' or 'package.module:name', got {name!r}.")
    try:
        module = load_file(Path(origin).resolve()) if origin.endswith('.py') else importlib.import_module(origin)
    except (ImportError, OSError, SyntaxError) as error:
        raise ValueError(
            f'{field}={name!r}: {origin} cannot be loaded: {error}. Files are looked for from the current '
            f'folder, {Path.cwd()}.'
        ) from error
    value = getattr(module, attribute, None)
    if not callable(value):
        raise ValueError(
            f'{field}={name!r}: expected a function or class {attribute!r} in {origin}, which has '
            f'{", ".join(own_names(module)) or "none"}.'
        )
    return value


def find_all(field: str, names: Iterable[str]) -> dict[str, Callable[..., Any]]:
    """Finds several, keyed by the part of each name after the colon."""
    return {called: find(field, name) for called, name in by_call(field, names).items()}


def by_call(field: str, names: Iterable[str]) -> dict[str, str]:
    """Maps the part after the colon to the whole name; refuses duplicates, since both would be logged alike."""
    called = {}
    for name in names:
        if (last := name.rpartition(':')[2]) in called:
            raise ValueError(f'{field}: {called[last]!r} and {name!r} are both called {last!r}; rename one.')
        called[last] = name
    return called


@functools.cache
def load_file(path: Path) -> ModuleType:
    """Loads a file as a module, once."""
    spec = importlib.util.spec_from_file_location(f'extension_{path.stem}', path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses, and so Flax modules, look their module up by name
    spec.loader.exec_module(module)
    return module


def own_names(module: ModuleType) -> list[str]:
    """Names of the functions and classes that a module defines."""
    return sorted(
        name
        for name, value in vars(module).items()
        if callable(value) and getattr(value, '__module__', None) == module.__name__
    )
