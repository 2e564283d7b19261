"""Every command of README and docs in a stranger's shell: a copy of the repository, an environment of its own, env -i.

There is no data set here, so a command is right when it succeeds, or when it ends by naming the file of the data set,
or the run, that is not there: it then found its modules, its configuration and its flags.
"""

import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from front_door import ROOT

PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md')), *sorted((ROOT / 'third_party').rglob('*.md'))]
NOT_RUN = {  # pattern of a command: why it is not run here
    r'^python3 -m venv \.venv': 'installs everything; the environments below are made by the same steps',
    r'^python third_party/radeval': 'downloads RadEval and its models',
    r'^(srun|gcloud) ': 'needs a cluster',
    r'--device=gpu|^CAMANET_TEST_DEVICE|--step_only|py profile': 'needs a GPU',
    r'\w\.py:|(quick|vit_run|table_run|make_table)\.py|=runs/loss': 'test_extend_docs.py runs it',
}
# A command that needs no data would train for hours: it is changed to end when everything is read.
SHORTENED = {r'--systems=\S+': '--systems=nonesuch'}
MISSING = re.compile(
    r'Error: .*(no such file|No such file|no run in|not a folder|Expected .* (in|to)|expected|missing|nonesuch)', re.S
)
WHEEL = r'^python (-m camanet_jax.main --config=configs/iu_xray|scripts/(benchmark|convert|run_abl))'


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


@pytest.fixture(scope='module')
def house(tmp_path_factory):
    """Makes a copy of the repository with an environment: 'editable', or 'wheel' with the package built into it."""
    made = {}

    def make(kind: str) -> tuple[Path, Path]:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            ignored = shutil.ignore_patterns('.git', '.venv', '__pycache__', '*.egg-info', 'build', 'runs', 'data')
            for name in ('camanet_jax', 'configs', 'scripts', 'third_party', 'setup.py', 'pyproject.toml', 'README.md'):
                source, target = ROOT / name, folder / 'repository' / name
                copy = shutil.copytree if source.is_dir() else shutil.copy
                target.parent.mkdir(exist_ok=True)
                copy(source, target, **({'ignore': no_build(ignored)} if source.is_dir() else {}))
            environment = folder / 'environment'
            subprocess.run([sys.executable, '-m', 'venv', environment], check=True)
            site = next(environment.glob('lib/python*/site-packages'))
            (site / 'dependencies.pth').write_text('\n'.join(own_packages()))
            install = [environment / 'bin/python', '-m', 'pip', 'install', '-q', '--no-deps']
            what = ['-e', '.'] if kind == 'editable' else ['.']
            subprocess.run([*install, *what], cwd=folder / 'repository', check=True)
            made[kind] = folder / 'repository', environment / 'bin'
        return made[kind]

    return make


def no_build(ignored):
    """Keeps the package's own `data` room, which the patterns of a checkout's leftovers would drop."""
    return lambda folder, names: ignored(folder, names) - ({'data'} if Path(folder).name == 'camanet_jax' else set())


def own_packages() -> list[str]:
    """Returns the folders of this environment's packages, those that its .pth files add included; not this project."""
    return [path for path in sys.path if path.endswith('site-packages')] or [sysconfig.get_paths()['purelib']]


def run(command: str, folder: Path, programs: Path) -> subprocess.CompletedProcess:
    """Runs a command as it is written, in a shell that knows HOME and PATH alone."""
    for pattern, replacement in SHORTENED.items():
        command = re.sub(pattern, replacement, command)
    shell = {'HOME': str(folder), 'PATH': f'{programs}:/usr/bin:/bin', 'JAX_PLATFORMS': 'cpu'}
    words = shlex.split(command)
    return subprocess.run(
        words, cwd=folder, env=shell, executable=shutil.which(words[0], path=programs),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
    )  # fmt: skip


def check(command: str, done: subprocess.CompletedProcess) -> None:
    """Asserts that a command succeeded or named the data that it lacks."""
    assert 'Traceback' not in done.stdout, f'{command}\n{done.stdout}'
    assert done.returncode == 0 or MISSING.search(done.stdout), f'{command}\n{done.stdout}'


@pytest.mark.parametrize('command', RUN)
def test_a_command_gets_as_far_as_its_data(house, command):
    check(command, run(command, *house('editable')))


@pytest.mark.parametrize(
    'command', [pytest.param(each, marks=() if re.search(WHEEL, each) else pytest.mark.slow) for each in RUN]
)
def test_a_command_works_beside_a_wheel(house, tmp_path, command):
    folder, programs = house('wheel')
    if ' -m ' in command:  # away from the copy, whose own folder would be found before the wheel
        (folder := tmp_path / 'elsewhere').mkdir()
    check(command, run(command, folder, programs))


@pytest.mark.parametrize('command', sorted(set(commands()) - set(RUN)))
def test_a_command_is_not_run(command):
    pytest.skip(f'{reason(command)}: {command}')


@pytest.mark.slow
def test_the_first_command_as_it_is_written(house, tmp_path):
    repository, _ = house('editable')
    copy, first = tmp_path / 'repository', commands()[0]
    shutil.copytree(repository, copy, ignore=shutil.ignore_patterns('*.egg-info', 'build'))
    shell = {'HOME': str(tmp_path), 'PATH': f'{sys.base_prefix}/bin:/usr/bin:/bin'}
    done = subprocess.run(['bash', '-c', first], cwd=copy, env=shell, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (copy / 'runs/demo/report.html').stat().st_size > 1e6


def test_every_reason_is_still_needed():
    assert all(any(re.search(pattern, command) for command in commands()) for pattern in NOT_RUN)
    assert len(RUN) > len(commands()) / 2
