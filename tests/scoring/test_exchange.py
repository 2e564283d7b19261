"""Pairs for another program and its scores back."""

import importlib.machinery
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


def words(texts):
    return [len(text.split()) for text in texts]


class RadEval:
    """RadEval's interface: by study CheXbert has accuracies only, and RadCliQ a distance."""

    def __init__(self, metrics, per_sample):
        (self.metric,), self.per_sample = metrics, per_sample

    def __call__(self, refs, hyps):
        if self.metric == 'temporal':
            raise OSError('no network')
        lengths = np.float32(words(hyps))
        known = {'radgraph': ('radgraph_partial', lengths.mean()), 'radcliq': ('radcliq_v1', 1 / lengths.mean())}
        name, whole = known.get(self.metric, ('f1chexbert_sample_acc_5', None))
        if self.per_sample:
            return {name: list(lengths)}
        return {name: whole} if whole else {'f1chexbert_5_micro_f1': 0.5, 'f1chexbert_all_macro_f1': 0.25}


class BERTScorer:
    """bert-score's interface."""

    def __init__(self, model_type, lang, rescale_with_baseline, idf):
        assert (model_type, lang, rescale_with_baseline, idf) == ('distilroberta-base', 'en', True, False)

    def score(self, hyps, refs):
        return None, None, np.float32(words(hyps)) / np.float32(words(refs))


class CRIMSONScore:
    """CRIMSON's interface; the score tells what it was given."""

    def evaluate(self, reference_findings, predicted_findings, patient_context):
        counts = dict.fromkeys(('missing_findings', 'attribute_errors'), 0) | {'false_findings': 2}
        return {'crimson_score': 1.0 if patient_context else -0.5, 'error_counts': counts}


@pytest.fixture
def score_pairs(monkeypatch, tmp_path):
    """Runs the script of the other environment with stubs of its packages; returns the exit code."""
    for package, parts in (
        ('radeval', {'RadEval': RadEval}),
        ('bert_score', {'BERTScorer': BERTScorer}),
        ('CRIMSON', {'CRIMSONScore': CRIMSONScore}),
    ):
        module = types.ModuleType(package)
        module.__dict__.update(parts, __spec__=importlib.machinery.ModuleSpec(package, None))
        monkeypatch.setitem(sys.modules, package, module)
    spec = importlib.util.spec_from_file_location('score_pairs', SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, 'installed', lambda package: '2.2.1' if package == 'radeval' else None)

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['score_pairs.py', *map(str, arguments)])
        return script.main()

    run.script = script
    return run


def test_there_and_back(data, score, write, tmp_path, score_pairs, capsys):
    predictions, pairs, theirs = write('x.csv', REPORTS), tmp_path / 'pairs.json', tmp_path / 'radeval.json'
    score(predictions, '--data', data, '--threshold=1', '--export', pairs)
    written = json.loads(pairs.read_text())
    assert written['hypotheses'][0] == 'the heart is normal in size . the lungs are clear .'
    assert written['references'][2] == 'no acute disease . the heart is <unk> .'
    metrics = ['radgraph', 'radcliq', 'f1chexbert', 'bertscore_distilroberta', 'temporal']
    assert score_pairs(pairs, theirs, '--metrics', *metrics) == 1
    printed = capsys.readouterr()
    assert 'HF_HUB_OFFLINE=1' in printed.out and 'temporal has no scores: OSError: no network' in printed.err
    found = json.loads(theirs.read_text())
    order = {'ids': found['ids'][::-1], 'per_study': {name: each[::-1] for name, each in found['per_study'].items()}}
    theirs.write_text(
        json.dumps(found | order | {'green': 0.5, 'green_std': 0.1, 'labels': {'Edema': 0.25}})
    )  # and plain numbers
    again = write('x.csv', dict(reversed(REPORTS.items()))), '--data', data
    found = score(*again, '--threshold=1', '--merge', theirs)['merged']
    scores, whole = found['scores'], found['set']
    assert scores['radgraph_partial']['value'] == pytest.approx((12 + 5 + 9) / 3)
    assert scores['radgraph_partial']['interval'][0] < scores['radgraph_partial']['interval'][1]
    assert whole['f1chexbert_5_micro_f1'] == {'value': 0.5, 'better': 'higher'}
    assert {'f1chexbert_all_macro_f1', 'green', 'labels/Edema'} <= whole.keys() and 'green_std' not in whole
    assert scores['f1chexbert_sample_acc_5']['better'] == 'higher'
    # By study a distance; of the set 1 over the mean, as ours from the studies.
    assert (scores['radcliq_v1']['better'], whole['radcliq_v1']['better']) == ('lower', 'higher')
    assert scores['1/RadCliQ-v1']['value'] == pytest.approx(whole['radcliq_v1']['value']) == pytest.approx(3 / 26)
    assert found['notes'] == {'versions/radeval': '2.2.1', 'failed/temporal': 'OSError: no network'}
    assert '| labels/Edema            | of the set        | 0.2500 |' in capsys.readouterr().out
    for other in (again, (write('y.csv', REPORTS | {'a': 'Other.'}), '--data', data, '--threshold=1')):
        with pytest.raises(SystemExit, match='got those of others'):  # of other text rules, of other reports
            score(*other, '--merge', theirs)


def test_a_mean_that_is_not_positive_has_no_inverse(data, score, write, tmp_path):
    (tmp_path / 'theirs.json').write_text('{"set": {"radcliq_v1": -2}, "per_study": {"radcliq_v1": [-1, 0.5, 0]}}')
    found = score(write('x.csv', REPORTS), '--data', data, '--merge', tmp_path / 'theirs.json')['merged']
    assert found['set']['radcliq_v1']['value'] is None and 'not positive' in found['set']['radcliq_v1']['refused']
    assert 'is positive; this mean is -0.1667' in found['scores']['1/RadCliQ-v1']['refused']


def test_radcliq_from_its_parts(data, score, write, tmp_path, score_pairs):
    parts = {'radgraph_radcliq': [1, 1, 1], 'bertscore_distilroberta': [1, 1, 1], 'semb_score': [1, 1, 1]}
    parts['bertscore'] = [0, 0, 0]  # RadEval's, of another model
    (tmp_path / 'theirs.json').write_text(json.dumps({'per_study': parts}))
    options = ['--data', data, '--merge', tmp_path / 'theirs.json', '--labeler=none']
    found = score(write('x.csv', TEST), *options, protocol='rexrank')['merged']
    expected = -0.377083683 * (1 - 0.53792312) / 0.30282584 - 0.3703001 * (1 - 0.61757256) / 0.22430938
    expected -= 0.252616218 * (1 - 0.76479421) / 0.25394391
    assert found['scores']['RadCliQ-v1']['value'] == pytest.approx(expected, abs=1e-6)


def test_crimson_is_slow_and_gets_age_and_indication(score, tmp_path, score_pairs):
    studies = {
        'a': {'context': 'Age:50-60.Gender:M.Indication: Cough, fever. Comparison: None.'},
        'b': {'context': 'Comparison: None.'},
    }
    texts = {'section_findings': 'Clear.', 'section_impression': None, 'model_prediction': 'Clear.'}
    rexrank, pairs, theirs = (tmp_path / f'{name}.json' for name in ('rexrank', 'pairs', 'theirs'))
    rexrank.write_text(json.dumps({name: study | texts for name, study in studies.items()}))
    score(rexrank, '--export', pairs, protocol='rexrank')
    assert json.loads(pairs.read_text())['contexts'] == [{'Age': '50-60', 'Indication': 'Cough, fever'}, None]
    assert score_pairs(pairs, theirs, '--metrics', 'crimson') == 0
    assert 'crimson' not in score_pairs.script.PANEL and 'green' not in score_pairs.script.PANEL
    found = score(rexrank, '--merge', theirs, protocol='rexrank')['merged']
    assert found['scores']['crimson']['value'] == found['set']['crimson']['value'] == 0.25
    assert found['scores']['crimson_false_findings'] == {'value': 2, 'interval': [2, 2], 'better': 'lower'}


def test_slow_metrics_are_asked_for(score_pairs, monkeypatch, tmp_path):
    (tmp_path / 'pairs.json').write_text('{}')
    asked = []
    monkeypatch.setattr(score_pairs.script, 'score', lambda pairs, metrics, output: asked.append(metrics) or {})
    score_pairs(tmp_path / 'pairs.json', 'x', '--slow')
    score_pairs(tmp_path / 'pairs.json', 'x')
    assert asked == [[*score_pairs.script.PANEL, 'green', 'crimson'], list(score_pairs.script.PANEL)]


def test_the_environment_is_made_once_and_the_command_runs_in_it(score_pairs, monkeypatch, tmp_path):
    monkeypatch.setattr(score_pairs.script.importlib.util, 'find_spec', lambda name: None)
    commands = []

    def run(command, check):
        commands.append([str(word) for word in command])
        (tmp_path / 'env/bin').mkdir(parents=True, exist_ok=True)
        (tmp_path / 'env/bin/python').touch()
        return types.SimpleNamespace(returncode=0)

    monkeypatch.setattr(score_pairs.script.subprocess, 'run', run)
    monkeypatch.setattr(score_pairs.script.venv, 'create', lambda folder, with_pip: None)
    arguments = ('pairs.json', 'scores.json', '--environment', tmp_path / 'env')
    assert score_pairs(*arguments) == score_pairs(*arguments) == 0
    python = str(tmp_path / 'env/bin/python')
    assert commands[0][:4] == [python, '-m', 'pip', 'install'] and 'radeval==2.2.1' in commands[0]
    assert commands[1] == commands[2] == [python, str(SCRIPT), *map(str, arguments)]


@pytest.mark.parametrize(
    'scores, message',
    [
        ('[1]', 'expected an object of scores by name, got list'),
        ('{"green": ', 'expected the scores that RadEval returned'),
        ('{"green": [1, 2]}', 'expected 3 values under green, one per study, got 2'),
        ('{"green": [1, NaN, null]}', r'expected finite numbers under green, got nan \(2 of 3\)'),
        ('{"green": true}', 'expected finite numbers under green, got True'),
        ('{"ids": ["a", "b", "x"], "green": [1, 2, 3]}', '1 is missing: c. 1 is unknown: x'),
        ('{"protocol": "full", "green": 1}', 'expected scores of the protocol cut, got those of full'),
    ],
)
def test_faults(data, score, write, tmp_path, scores, message):
    (tmp_path / 'radeval.json').write_text(scores)
    with pytest.raises(SystemExit, match=message):
        score(write('x.csv', REPORTS), '--data', data, '--merge', tmp_path / 'radeval.json')
