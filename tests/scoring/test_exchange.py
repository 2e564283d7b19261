"""Pairs for another program and its scores back."""

import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from small_reports import NORMAL, TEST

SCRIPT = Path(__file__).parents[2] / 'third_party/radeval/score_pairs.py'
REPORTS = TEST | {'a': NORMAL}


@pytest.fixture
def score_pairs(monkeypatch):
    """The script of the other environment, with a RadEval that counts words."""

    class RadEval:
        def __init__(self, metrics, per_sample):
            assert per_sample
            self.metrics = metrics

        def __call__(self, refs, hyps):
            return {name: [np.float32(len(text.split())) for text in hyps] for name in self.metrics}

    monkeypatch.setitem(sys.modules, 'radeval', types.SimpleNamespace(RadEval=RadEval))
    spec = importlib.util.spec_from_file_location('score_pairs', SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    version = types.SimpleNamespace(metadata=types.SimpleNamespace(version=lambda name: '2.2.1'))
    monkeypatch.setattr(script, 'importlib', version)
    return script.main


def test_there_and_back(data, score, write, tmp_path, score_pairs, capsys):
    predictions, pairs, theirs = write('x.csv', REPORTS), tmp_path / 'pairs.json', tmp_path / 'radeval.json'
    score(predictions, '--data', data, '--threshold=1', '--export', pairs)
    written = json.loads(pairs.read_text())
    assert written['hypotheses'][0] == 'the heart is normal in size . the lungs are clear .'
    assert written['references'][2] == 'no acute disease . the heart is <unk> .'
    score_pairs(str(pairs), str(theirs), 'words')
    scores = json.loads(theirs.read_text())
    scores = {name: value[::-1] if isinstance(value, list) else value for name, value in scores.items()}
    theirs.write_text(json.dumps(scores | {'green': 0.5, 'labels': {'Edema': 0.25}}))  # another order, plain numbers
    found = score(write('x.csv', dict(reversed(REPORTS.items()))), '--data', data, '--merge', theirs)['merged']
    assert found['scores']['words']['value'] == pytest.approx((12 + 5 + 9) / 3)
    assert found['scores']['words']['interval'][0] < found['scores']['words']['interval'][1]
    assert found['scores']['green'] == {'value': 0.5, 'better': 'higher'}
    assert found['scores']['labels/Edema']['value'] == 0.25
    assert found['notes'] == {'radeval': '2.2.1'}
    assert '| labels/Edema | 0.2500 |' in capsys.readouterr().out


@pytest.mark.parametrize(
    'scores, message',
    [
        ('[1]', 'expected an object of scores by name, got list'),
        ('{"green": ', 'expected the scores that RadEval returned'),
        ('{"green": [1, 2]}', 'expected 3 values under green, one per study, got 2'),
        ('{"green": [1, NaN, null]}', r'expected finite numbers under green, got nan \(2 of 3\)'),
        ('{"green": true}', 'expected finite numbers under green, got True'),
        ('{"ids": ["a", "b", "x"], "green": [1, 2, 3]}', '1 are missing: c. 1 are unknown: x'),
        ('{"protocol": "full", "green": 1}', 'expected scores of the protocol cut, got those of full'),
    ],
)
def test_faults(data, score, write, tmp_path, scores, message):
    (tmp_path / 'radeval.json').write_text(scores)
    with pytest.raises(SystemExit, match=message):
        score(write('x.csv', REPORTS), '--data', data, '--merge', tmp_path / 'radeval.json')
