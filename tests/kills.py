"""python tests/kills.py --kills=200 --folder=DIR: ends the program at random moments, continues it, compares.

Preparation, training, evaluation and generation of a tiny run, in turn. A moment is drawn between the program's first
line and its end; it is ended by SIGKILL, alone or with all of its processes, or by SIGTERM or Ctrl+C to all of them.
Every second time, on average, it is then let run to its end, and the files that it leaves are compared bit for bit with
those of an unbroken run.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
from front_door import ROOT, TINY, checkpoint_steps, records
from study_folders import write_study_folder

from camanet_jax.data.schema import SPLITS
from camanet_jax.data.sources import Records

PATIENCE = 60.0  # seconds for a program to save and end after SIGTERM
TASKS = ('prepare', 'train', 'evaluate', 'generate')
WAYS = ((signal.SIGKILL, os.kill), (signal.SIGKILL, os.killpg), (signal.SIGTERM, os.killpg), (signal.SIGINT, os.killpg))


def command(task: str, folder: Path, output: Path) -> list[str]:
    """The command of a task, which writes to `output`; the trained run and the studies lie in `folder`."""
    main = ['-m', 'camanet_jax.main', f'--workdir={folder / "trained"}']
    return [sys.executable, *{
        'prepare': ['scripts/prepare_data.py', 'folder', f'--source={folder / "studies"}', f'--output={output}'],
        'train': [*main[:2], f'--workdir={output}', f'--config={TINY}', f'--config.data_dir={folder / "data"}',
                  '--config.data.num_workers=1', '--config.checkpoint_every_minutes=0'],
        'evaluate': [*main[:2], f'--workdir={output}', '--mode=evaluate'],
        'generate': [*main, '--mode=generate', f'--images={folder / "films"}', f'--output={output}'],
    }[task]]  # fmt: skip


class Program:
    """A program in a process group of its own; the clock starts with its first line."""

    def __init__(self, words: list[str], log: Path):
        self._log = log
        with log.open('w', encoding='utf-8') as file:
            environment = os.environ | {'PYTHONFAULTHANDLER': '1'}
            self.process = subprocess.Popen(
                words, cwd=ROOT, stdout=file, stderr=file, env=environment, start_new_session=True
            )
        while not log.stat().st_size and self.process.poll() is None:
            time.sleep(0.01)
        self.start = time.monotonic()

    def wait(self, seconds: float | None = None) -> bool:
        """Waits for the end; returns whether it came."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def output(self) -> str:
        """Everything that the program said."""
        return self._log.read_text(encoding='utf-8', errors='replace')


def digest(content: bytes) -> str:
    """Stands for a content."""
    return hashlib.sha256(content).hexdigest()


def digests(output: Path) -> Iterator[tuple[str, str]]:
    """Yields the names and digests of the files, apart from wall-clock times, locks and what a kill leaves unnamed."""
    if (output / 'checkpoints').exists():
        for step in checkpoint_steps(output):
            state = ocp.StandardCheckpointer().restore(output / 'checkpoints' / str(step) / 'state')
            for path, leaf in jax.tree.leaves_with_path(state):
                yield f'{step}{jax.tree_util.keystr(path)}', digest(np.asarray(leaf).tobytes())
    for info in output.rglob('dataset_info.json'):  # a record's fields are in any order in its file
        for split in SPLITS:
            records_of_split = Records(str(info.parent), split, views=2)
            for number in range(len(records_of_split)):
                yield f'{split} {number}', digest(repr(sorted(records_of_split[number].items())).encode())
    for path in sorted(output.rglob('*')):
        name = str(path.relative_to(output))
        if path.name == 'metrics.jsonl':
            yield name, json.dumps(records(output))
        elif path.is_file() and not name.startswith(('checkpoints/', 'tensorboard/', 'figures/')):
            if not (
                path.name.startswith('.')
                or path.suffix == '.lock'
                or path.name == 'report.html'
                or 'array_record' in path.name
            ):
                yield name, digest(path.read_bytes())


class Trial:
    """Kills of one task; `faults` says what went wrong."""

    def __init__(self, task: str, folder: Path, moments: random.Random):
        self._task, self._folder, self._moments, self._number = task, folder, moments, 0
        self.kills, self.compared, self.longest_stop, self.faults = 0, 0, 0.0, []
        unbroken = self._begin('unbroken')
        program = self._start(unbroken)
        program.wait()
        assert program.process.returncode == 0, program.output
        self.seconds, self._expected = time.monotonic() - program.start, dict(digests(unbroken))

    def run(self, kills: int) -> None:
        """Kills so many times, and compares at the ends."""
        while self.kills < kills:
            self._number += 1
            output = self._begin(f'{self._number}')
            while self._end_early(self._start(output)) and self._moments.random() < 0.5 and self.kills < kills:
                pass
            program = self._start(output)
            program.wait()
            actual = dict(digests(output))
            differing = [
                name for name in sorted(self._expected | actual) if self._expected.get(name) != actual.get(name)
            ]
            self._check(program, program.process.returncode == 0 and not differing, f'differs: {differing}')
            self.compared += 1
            print(self.line(), flush=True)
            shutil.rmtree(output)

    def line(self) -> str:
        """The counts so far."""
        return (
            f'{self._task}: {self.kills} kills, {self.compared} comparisons, {len(self.faults)} faults; unbroken '
            f'{self.seconds:.0f} s, longest stop after a signal {self.longest_stop:.1f} s'
        )

    def _end_early(self, program: Program) -> bool:
        if program.wait(self._moments.uniform(0, self.seconds)):
            self.seconds = time.monotonic() - program.start  # the machine's load changes
            return self._check(program, program.process.returncode == 0, 'failed')
        number, send = self._moments.choice(WAYS)
        sent = time.monotonic()
        send(program.process.pid, number)
        self.kills += 1
        ended = program.wait(PATIENCE)
        self.longest_stop = max(self.longest_stop, time.monotonic() - sent)
        if not ended:
            program.process.send_signal(signal.SIGABRT)  # every thread's stack goes to the log
            program.wait(PATIENCE)
        self._check(program, ended, f'does not end after {number.name}')
        if not ended:
            os.killpg(program.process.pid, signal.SIGKILL)
        return True

    def _check(self, program: Program, good: bool, fault: str) -> bool:
        """Notes a fault, or a traceback; returns False, as for what ended by itself."""
        if not good or 'Traceback' in program.output:
            self.faults.append(f'{self._task} {self._number}: {fault}\n{program.output}')
            print(self.faults[-1], flush=True)
        return False

    def _start(self, output: Path) -> Program:
        return Program(command(self._task, self._folder, output), self._folder / f'{self._task}.log')

    def _begin(self, name: str) -> Path:
        output = self._folder / f'{self._task}_{name}'
        shutil.rmtree(output, ignore_errors=True)
        if self._task == 'evaluate':
            shutil.copytree(self._folder / 'trained', output)
            for made in ('predictions', 'figures'):
                shutil.rmtree(output / made)
            for made in ('scores.json', 'report.html'):
                (output / made).unlink()
        return output


def main() -> int:
    """Runs all tasks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=200, help='of all tasks together (default: %(default)s)')
    parser.add_argument('--folder', type=Path, required=True, help='an empty one, for runs and data')
    parser.add_argument('--seed', type=int, default=0, help='of the moments (default: %(default)s)')
    parser.add_argument('--tasks', default=','.join(TASKS), help='among them (default: %(default)s)')
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells' background jobs, and their children, ignore it
    folder, moments = options.folder.absolute(), random.Random(options.seed)
    write_study_folder(folder / 'studies', (400, 10, 50), 2)
    films = sorted((folder / 'studies' / 'images').glob('val*'))
    for film in films:
        (folder / 'films' / film.stem[:-2]).mkdir(parents=True, exist_ok=True)
        shutil.copy(film, folder / 'films' / film.stem[:-2])
    subprocess.run(command('train', folder, folder / 'trained'), cwd=ROOT, check=True)
    tasks, done = options.tasks.split(','), []
    for number, task in enumerate(tasks):
        trial = Trial(task, folder, moments)
        trial.run(options.kills * (number + 1) // len(tasks) - options.kills * number // len(tasks))
        done.append(trial)
    print('\n'.join(trial.line() for trial in done))
    return int(any(trial.faults for trial in done))


if __name__ == '__main__':
    sys.exit(main())
