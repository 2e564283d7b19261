"""Runs the command as a user does, in a process of its own, and reads what it leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TINY = ROOT / 'tests' / 'tiny.py'
SIGNAL_AT = ROOT / 'tests' / 'signal_at.py'


def run_main(
    *arguments: str,
    program: tuple[str, ...] = ('-m', 'camanet_jax.main'),
    environment: dict[str, str] | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess:
    """`python -m camanet_jax.main ARGUMENTS`; output and errors are joined in `stdout`.

    The path is bare: without Java there is no METEOR, whose start takes longer than a tiny run.
    """
    surroundings = os.environ | {'PATH': os.path.dirname(sys.executable)}
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=ROOT,
        env=surroundings | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=timeout,
    )


def succeed(*arguments: str, **options: Any) -> str:
    """The output of a command that must not fail."""
    done = run_main(*arguments, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


def records(workdir: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without their times."""
    lines = [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]
    return [{name: value for name, value in line.items() if not name.startswith('time/')} for line in lines]


def best_step(workdir: Path) -> int:
    """The step with the best validation score, the earliest of equals."""
    validated = [line for line in records(workdir) if line['split'] == 'val']
    return max(validated, key=lambda line: line['selection_score'])['step']


def steps(workdir: Path, split: str) -> list[int]:
    """The steps that a split has lines for."""
    return [line['step'] for line in records(workdir) if line['split'] == split]


def checkpoint_steps(workdir: Path) -> list[int]:
    """The finished checkpoints."""
    return sorted(int(folder.name) for folder in (workdir / 'checkpoints').iterdir() if folder.name.isdigit())
