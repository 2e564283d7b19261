"""Which configuration a command means: the one it names, or the one that its workdir holds.

Read before the flags are parsed, and light to import, as main.py must be.
"""

import sys
from pathlib import Path


def flag_value(argv: list[str], name: str) -> str | None:
    """The value of --name=value or --name value; None where it is not given."""
    for argument, following in zip(argv, [*argv[1:], ''], strict=True):
        flag, equals, value = argument.partition('=')
        if flag in (f'--{name}', f'-{name}'):
            return value if equals else following
    return None


def with_config(argv: list[str]) -> list[str]:
    """Without --config, the one that the workdir holds; exits where there is none."""
    config, workdir = flag_value(argv, 'config'), flag_value(argv, 'workdir')
    if config is None and workdir is not None:
        if not (Path(workdir) / 'config.json').is_file():
            sys.exit(f'Error: no run in {workdir}. Give --config=FILE to begin one, or check --workdir.')
        return [argv[0], f'--config={Path(__file__).with_name("workdir.py")}:{workdir}', *argv[1:]]
    if config is None and not any(argument.lstrip('-').startswith('help') for argument in argv[1:]):
        sys.exit('Give --config=FILE to begin a run (configs/demo.py needs no data), or --workdir=DIR to continue one.')
    if config is not None and not Path(config.split(':')[0]).is_file():
        sys.exit(f'Error: no configuration file {config}. Check --config.')
    return argv
