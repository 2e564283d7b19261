"""Every command of README and docs in a stranger's shell: a copy of the repository, an environment of its own, env -i.

The commands run as they are written, and to their end, on miniatures: small recipes in place of the full ones, and
made data where a page names a data set (`/data` lies in the folder that they run in).
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from front_door import ROOT
from miniatures import make_inputs, shrink_recipes

from camanet_jax.run.runtime import CACHE_FOLDER

PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md')), *sorted((ROOT / 'third_party').rglob('*.md'))]
NOT_RUN = {  # pattern of a command: why it is not run here
    r'^python3 -m venv \.venv': 'installs everything; the environments below are made by the same steps',
    r'^python third_party/radeval': 'downloads RadEval and its models',
    r'^(srun|gcloud) ': 'needs a cluster',
    r'tests/(kills|test_fuzz)\.py': 'takes hours, or minutes; test_fuzz.py runs a part',
    r'--labeler=chexbert': "needs CheXbert's weights",
    r'--device=gpu|^CAMANET_TEST_DEVICE|--step_only|py (profile|decode)': 'needs a GPU',
    r'\w\.py:|(quick|vit_run|table_run|make_table)\.py|=runs/loss': 'test_extend_docs.py runs it',
}
OWN = [  # what makes the checkpoints of others, which the pages convert
    'python scripts/convert_checkpoint.py --workdir runs/iu_xray --to_torch model_best.pth',
    'python -m camanet_jax.main --config=configs/r2gen.py --config.data_dir=/data/iu_xray --workdir=runs/own',
    'python scripts/convert_checkpoint.py --workdir runs/own --to_torch model_iu_xray.pth',
]
FIRST = {  # pattern of a command: of the one that makes what it starts from
    r'--workdir[= ]runs/iu_xray\b': r'main --config=configs/iu_xray\.py',
    r'--from_torch model_best': r'--to_torch model_best',
    r'--workdir[= ]runs/official': r'--from_torch model_best',
    r'--workdir runs/own': r'--workdir=runs/own',
    r'--from_torch model_iu_xray': r'--to_torch model_iu_xray',
    r'--workdir=runs/r2gen': r'--from_torch model_iu_xray',
    r'check camanet-iu': r'export_model',
    r'measure_alignment.py --workdir=runs/small': r'main --config=configs/iu_xray_small\.py',
    r'--workdir=runs/iu_xray_beyond': r'--output=runs/iu_xray_beyond',
    r'--compare=runs/ablation': r'--seeds=3 --output=runs/ablation',
}
SHORTENED = {  # in a command: what is put there, for the time it takes and for where things are
    r'(--source /data/(\w+) --output )/data/': r'\1prepared/\2/',  # beside the made data sets, not over them
    r'(?<==| )/data/': 'data/',
    r'--seeds=\d': '--seeds=1',
    r'(--systems=[^,]+)\S*': r'\1',
    r'--compare=([^,]+)\S*': r'--compare=\1,\1',
}
# Compiled for a CPU, and quickly: all else that the commands' shell knows.
SURROUNDINGS = {'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': '--xla_backend_optimization_level=0'}
QUICK = r'configs/iu_xray\.py|workdir=runs/iu_xray|to_torch|label_reports|protocol=cut|prepare_data.py folder'
QUICK_WHEEL = r'configs/iu_xray\.py'


def commands() -> list[str]:
    """Returns the lines of all shell blocks, each once."""
    lines = {}
    for page in PAGES:
        for block in re.findall(r'^```bash\n(.*?)^```', page.read_text(encoding='utf-8'), re.M | re.S):
            for line in block.replace('\\\n', ' ').splitlines():
                lines[' '.join(line.split(' #')[0].split())] = page
    return list(filter(None, lines))


def reason(command: str) -> str | None:
    """Returns why a command is not run; None where it is."""
    return next((why for pattern, why in NOT_RUN.items() if re.search(pattern, command)), None)


RUN = [command for command in commands() if not reason(command)]


def copy_repository(folder: Path) -> Path:
    """Copies what an installation needs."""
    for name in ('camanet_jax', 'configs', 'scripts'):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns('__pycache__'))
    for name in ('setup.py', 'pyproject.toml', 'README.md'):
        shutil.copy(ROOT / name, folder)
    return folder


class House:
    """A folder and an environment: 'editable', or 'wheel' with nothing of the repository left but its scripts."""

    def __init__(self, folder: Path, kind: str, compile_cache: Path):
        self.folder, self.programs = copy_repository(folder / 'repository'), folder / 'environment/bin'
        self.done = set()
        shrink_recipes(self.folder / 'configs')
        subprocess.run([sys.executable, '-m', 'venv', self.programs.parent], check=True)
        packages = [path for path in sys.path if path.endswith('site-packages')]  # all that the project depends on
        site = next(self.programs.parent.glob('lib/python*/site-packages'))
        (site / 'dependencies.pth').write_text('\n'.join(packages))
        install = [self.programs / 'python', '-m', 'pip', 'install', '-q', '--no-deps']
        subprocess.run([*install, *(['-e'] if kind == 'editable' else []), '.'], cwd=self.folder, check=True)
        if kind == 'wheel':
            for name in ('camanet_jax', 'configs', 'build', 'camanet_jax.egg-info'):
                shutil.rmtree(self.folder / name)
        make_inputs(self.folder)
        (self.folder / 'runs' / CACHE_FOLDER).symlink_to(compile_cache)

    def run(self, command: str) -> None:
        """Runs a command, once, after those that it starts from, in a shell that knows HOME and PATH alone."""
        if command in self.done:
            return
        for pattern, first in FIRST.items():
            if re.search(pattern, command):
                self.run(next(each for each in [*RUN, *OWN] if re.search(first, each)))
        words = command
        for pattern, replacement in SHORTENED.items():
            words = re.sub(pattern, replacement, words)
        program, *arguments = shlex.split(words)
        shell = {'HOME': str(self.folder), 'PATH': f'{self.programs}:/usr/bin:/bin'}
        done = subprocess.run(
            [self.programs / program, *arguments], cwd=self.folder, env=shell | SURROUNDINGS,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1800, check=False,
        )  # fmt: skip
        assert done.returncode == 0 and 'Traceback' not in done.stdout, f'{command}\n{done.stdout}'
        self.done.add(command)


@pytest.fixture(scope='module')
def editable(tmp_path_factory, compile_cache) -> House:
    return House(tmp_path_factory.mktemp('editable'), 'editable', compile_cache)


@pytest.fixture(scope='module')
def wheel(tmp_path_factory, compile_cache) -> House:
    return House(tmp_path_factory.mktemp('wheel'), 'wheel', compile_cache)


def quick(pattern: str) -> list:
    """Returns all commands, those that do not match marked as slow."""
    return [pytest.param(each, marks=() if re.search(pattern, each) else pytest.mark.slow) for each in RUN]


@pytest.mark.parametrize('command', quick(QUICK))
def test_a_command_succeeds(editable, command):
    editable.run(command)


@pytest.mark.slow
def test_prepared_folders_have_the_labels_that_training_needs(editable):
    for command in RUN:
        if 'prepare_data.py' in command:
            editable.run(command)
    prepared = [path.parent for path in (editable.folder / 'prepared').rglob('annotation.json')]
    assert len(prepared) == 4 and all((folder / 'labels.json').exists() for folder in prepared)


@pytest.mark.parametrize('command', quick(QUICK_WHEEL))
def test_a_command_succeeds_beside_a_wheel(wheel, command):
    wheel.run(command)


@pytest.mark.parametrize('command', sorted(set(commands()) - set(RUN)))
def test_a_command_is_not_run(command):
    pytest.skip(f'{reason(command)}: {command}')


@pytest.mark.slow
def test_the_first_command_as_it_is_written(tmp_path):
    copy = copy_repository(tmp_path / 'repository')
    shell = {'HOME': str(tmp_path), 'PATH': f'{sys.base_prefix}/bin:/usr/bin:/bin'}
    done = subprocess.run(
        ['bash', '-c', commands()[0]], cwd=copy, env=shell, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (copy / 'runs/demo/report.html').stat().st_size > 1e6


def test_every_reason_is_still_needed():
    for pattern in [*NOT_RUN, *FIRST, *SHORTENED]:
        assert any(re.search(pattern, command) for command in [*commands(), *OWN]), pattern
    assert len(RUN) > len(commands()) / 2
