"""A small data folder, and the command from its front door."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from small_reports import NORMAL, TEST, TRAIN

SCRIPT = Path(__file__).parents[2] / 'scripts/score.py'


@pytest.fixture
def data(tmp_path) -> Path:
    """Five train, one validation and three test studies; words count from two occurrences with --threshold=2."""

    def entries(reports):
        return [{'id': study_id, 'report': report, 'image_path': ['x.png']} for study_id, report in reports.items()]

    train = {f't{i}': report for i, report in enumerate(TRAIN)}
    folder = tmp_path / 'data'
    folder.mkdir()
    (folder / 'annotation.json').write_text(
        json.dumps({'train': entries(train), 'val': entries({'v': NORMAL}), 'test': entries(TEST)})
    )
    return folder


@pytest.fixture
def score(monkeypatch, tmp_path):
    """Runs the script; returns what it wrote as JSON."""
    spec = importlib.util.spec_from_file_location('score', SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def run(predictions, *arguments, protocol='cut'):
        output = tmp_path / 'scores.json'
        monkeypatch.setattr(
            sys,
            'argv',
            [
                'score.py',
                '--predictions',
                str(predictions),
                f'--protocol={protocol}',
                '--output',
                str(output),
                *map(str, arguments),
            ],
        )
        script.main()
        return json.loads(output.read_text())

    return run


@pytest.fixture
def write(tmp_path):
    """Writes {id: report} as a CSV, or as JSON lines by the name."""

    def file(name, reports):
        path = tmp_path / name
        lines = (
            [json.dumps({'id': k, 'report': v}) for k, v in reports.items()]
            if name.endswith('.jsonl')
            else ['id,report', *(f'{k},"{v}"' for k, v in reports.items())]
        )
        path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
        return path

    return file


@pytest.fixture(autouse=True)
def without_java(monkeypatch, request):
    """Starting Java takes seconds; tests that need METEOR say so."""
    if 'with_java' not in request.fixturenames:
        monkeypatch.setattr('camanet_jax.metrics.nlg.shared_meteor', lambda: None)


@pytest.fixture
def with_java():
    """For tests of METEOR itself."""
