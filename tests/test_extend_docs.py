"""The recipes of docs/extend.md, copied out of it and run from a folder of their own."""

import json
import os
import re
import subprocess
import sys

import jax
import numpy as np
import pytest
from front_door import ROOT

from camanet_jax.extensions import find
from camanet_jax.models import vdm

TEXT = (ROOT / 'docs' / 'extend.md').read_text()
FILES = {name: code for code, name in re.findall(r'```python\n(# (\S+\.py)\n.*?)```', TEXT, re.DOTALL)}
COMMANDS = [
    line
    for block in re.findall(r'```bash\n(.*?)```', TEXT, re.DOTALL)
    for line in block.replace('\\\n', ' ').splitlines()
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """All files of the page beside each other."""
    folder = tmp_path_factory.mktemp('recipes')
    for name, code in FILES.items():
        (folder / name).write_text(code)
    return folder


@pytest.fixture
def execute(folder, compile_cache):
    """Runs a line of the page there; output on failure."""

    def run(line: str) -> None:
        program, *arguments = re.findall(r'(?:[^\s"]|"[^"]*")+', line.replace('"', ''))
        cache = [f'--config.compile_cache={compile_cache}'] if 'camanet_jax.main' in line else []
        done = subprocess.run(
            [{'python': sys.executable}[program], *arguments, *cache],
            cwd=folder,
            text=True,
            env=os.environ | {'PATH': os.path.dirname(sys.executable)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, done.stdout

    return run


def test_every_block_is_a_file_or_a_command_and_short():
    assert len(FILES) == TEXT.count('```python') and len(COMMANDS) == 6 and TEXT.count('```') == 2 * (len(FILES) + 5)
    assert all(code.count('\n') < 40 for code in FILES.values())
    assert all(re.search(rf'\b{name}\b', TEXT.replace(f'# {name}', '')) for name in FILES)


def test_the_maps_of_the_page_are_the_packages(folder):
    rng = np.random.default_rng(0)
    tokens, kernel = rng.uniform(size=(2, 9, 5)).astype(np.float32), rng.normal(size=(5, 3)).astype(np.float32)
    layercam, gradcam = (find('model.class_maps', f'{folder}/my_maps.py:{name}') for name in ('layercam', 'gradcam'))
    np.testing.assert_allclose(layercam(tokens, kernel), vdm.layercam(tokens, kernel), rtol=1e-5)
    np.testing.assert_allclose(
        gradcam(tokens, kernel), vdm.class_activation_maps(tokens, kernel) / 9, rtol=1e-4, atol=1e-7
    )


def test_rollout_is_a_distribution_over_patches(folder):
    module = find('model.visual_extractor', f'{folder}/my_vit.py:SmallViT')(patch=8, channels=8, layers=2)
    films = np.random.default_rng(0).normal(size=(2, 2, 16, 16, 3)).astype(np.float32)
    (features, scores), _ = module.init_with_output(jax.random.key(0), films, train=False)
    assert features.shape == (2, 2, 2, 2, 8)
    np.testing.assert_allclose(scores.sum((2, 3)), 1, rtol=1e-5)


def test_all_recipes_work_together(execute, folder):
    execute('python make_table.py')
    execute(
        'python -m camanet_jax.main --config=table_run.py --workdir=runs/all --config.loss.extra=my_loss.py:spread '
        '--config.loss.extra_weights=0.5 --config.model.class_maps=my_maps.py:layercam '
        '--config.evaluation.metrics=my_metric.py:denials --config.evaluation.constant_baseline=False '
        '--config.evaluation.shuffled_control=False --config.evaluation.figures=0'
    )
    first, *_, last = map(json.loads, (folder / 'runs' / 'all' / 'metrics.jsonl').read_text().splitlines())
    weighted = first['report_nll'] + first['pseudo_label_bce'] + 0.15 * first['vtac_mse'] + 0.5 * first['spread']
    assert first['loss'] == pytest.approx(weighted, rel=1e-6) and first['spread'] > 0
    scores = json.loads((folder / 'runs' / 'all' / 'scores.json').read_text())['test']
    assert scores['losses']['spread'] > 0
    assert scores['metrics'].keys() == {'denials/reports', 'denials/references'} <= last.keys()
    assert scores['metrics']['denials/references'] == pytest.approx(1 / 3)  # of each two reports' three sentences


@pytest.mark.slow
def test_every_command_runs_as_it_stands(execute):
    for command in COMMANDS:
        execute(command)
