"""The configuration of a command: the one it names, or the one that its workdir holds.

It is read before the flags are parsed, and must be light to import, as main.py is.

Commands that change single fields (--config.epochs=2) use absl's flags, on which ml_collections builds; all other
scripts use argparse, for its subcommands, lists and checked choices.
"""

import argparse
import math
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from camanet_jax.configuration import find_recipe, from_data, recipe
from camanet_jax.run.files import read_json


def flag_value(argv: list[str], name: str) -> str | None:
    """The value of --name=value or --name value; None where it is not given."""
    for argument, following in zip(argv, [*argv[1:], ''], strict=True):
        flag, equals, value = argument.partition('=')
        if flag in (f'--{name}', f'-{name}'):
            return value if equals else following
    return None


def expand_home(argv: list[str]) -> list[str]:
    """Replaces a ~ that begins a flag's path, which shells leave in --workdir=~/runs/x; also after a comma."""
    home = re.compile(r'(?<=[=,])~(?=/|$)')
    return [home.sub(lambda _: os.path.expanduser('~'), word) if word.startswith('-') else word for word in argv]


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """An argparse type: whole numbers from `least`, to `most` where there is one."""

    def parse(text: str) -> int:
        number = int(text)
        if number < least or (most is not None and number > most):
            expected = f'at least {least}' if most is None else f'{least} to {most}'
            raise argparse.ArgumentTypeError(f'expected {expected}, got {number}')
        return number

    parse.__name__ = 'whole number'  # what argparse calls it where `text` is none
    return parse


def above_zero(text: str) -> float:
    """An argparse type: numbers above 0."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f'expected a number above 0, got {text}')
    return number


def with_config(argv: list[str]) -> list[str]:
    """Adds --config for the workdir's configuration where none is given; exits where the workdir has none."""
    argv = with_recipe(argv)
    config, workdir = flag_value(argv, 'config'), flag_value(argv, 'workdir')
    if config is None and workdir is not None:
        file = Path(workdir) / 'config.json'
        if not file.is_file():
            sys.exit(f'Error: no run in {workdir}. Give --config=FILE to begin one, or check --workdir.')
        try:
            from_data(read_json(file))  # here, since the flags' own error is a traceback
        except (ValueError, TypeError, AttributeError) as error:
            sys.exit(f'Error: {error if str(file) in str(error) else f"{file}: no configuration of a run ({error})"}')
        return [argv[0], f'--config={Path(__file__).with_name("workdir.py")}:{workdir}', *argv[1:]]
    if config is None and not any(argument.lstrip('-').startswith('help') for argument in argv[1:]):
        sys.exit('Give --config=FILE to begin a run (configs/demo.py needs no data), or --workdir=DIR to continue one.')
    return argv


def with_recipe(argv: list[str]) -> list[str]:
    """Replaces --config by the path of its file, a recipe's from any folder; exits where it makes no configuration."""
    argv = expand_home(argv)
    config = flag_value(argv, 'config')
    if config is None:
        return argv
    file, colon, argument = config.partition(':')
    if colon and Path(config).is_file():
        sys.exit(f'Error: --config: expected a path without a colon, which ends it; got {config}. Rename the folder.')
    try:
        path = find_recipe(file)
        recipe(path, *([argument] if colon else []))  # as the flags do later, which tell of a wrong file by a traceback
    except ValueError as error:
        if 'CAMANET_TRACE' in os.environ:
            raise
        sys.exit(f'Error: --config: {error}')
    except Exception:  # the flags raise it again, and its line is named then
        pass
    given = {config: '', f'--config={config}': '--config=', f'-config={config}': '--config='}
    return [f'{given[word]}{path}{colon}{argument}' if word in given else word for word in argv]
