"""Evaluation: the files that others rely on, and rows that stand for no study."""

import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from front_door import best_step, records
from PIL import Image
from tiny import TEST, VAL

from camanet_jax import evaluate, results, sharding
from camanet_jax.configuration import recipe
from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.experiment import Experiment, open_split
from camanet_jax.metrics.protocol import CLEANED
from camanet_jax.run.files import sole_writer
from camanet_jax.run.provenance import run_in_words
from camanet_jax.run.workdir import open_trained
from camanet_jax.scoring.report_rows import read_rows
from camanet_jax.scoring.score import Options, score


def predictions(workdir, split: str) -> list[dict]:
    """The lines of a predictions file."""
    return [json.loads(line) for line in (workdir / 'predictions' / f'{split}.jsonl').read_text().splitlines()]


def scores(workdir) -> dict:
    """scores.json."""
    return json.loads((workdir / 'scores.json').read_text())


@pytest.fixture(scope='module')
def run(trained):
    """The trained run, opened."""
    return open_trained(trained)


def test_predictions_hold_every_study_in_order(trained, run):
    for split, count in (('val', VAL), ('test', TEST)):
        rows, studies = predictions(trained, split), open_split(run.experiment.config, split).studies
        assert [row['id'] for row in rows] == [study.id for study in studies] and len(rows) == count
        for row, study in zip(rows, studies, strict=True):
            references = {'reference', 'reference_full', 'reference_raw'}
            assert row.keys() == {'id', 'report', 'log_prob', 'class_probabilities', 'made_by'} | references
            assert len(row['reference'].split()) <= 15 < len(row['reference_full'].split())
            assert row['reference_full'] == run.experiment.tokenizer.clean(study.report)
            assert row['reference_raw'] == study.report
            assert len(row['class_probabilities']) == len(OBSERVATIONS)


def test_predictions_in_the_forms_of_other_harnesses(trained):
    folder = trained / 'predictions'
    rows = [json.loads(line) for line in (folder / 'test.jsonl').read_text().splitlines()]
    for name, fields in (
        ('test.findings.csv', {'findings': 'report'}),
        ('test.pairs.parquet', {'reference': 'reference_raw', 'hypothesis': 'report'}),
    ):
        found = read_rows(folder / name)
        assert list(found) == [row['id'] for row in rows]
        for theirs, ours in fields.items():
            assert [row[theirs] for row in found.values()] == [row[ours] for row in rows]


def test_scores_have_the_agreed_names(trained):
    found = scores(trained)
    assert found.keys() == {'val', 'test', 'provenance'}
    for split, count in (('val', VAL), ('test', TEST)):
        entry = found[split]
        assert {'cut', 'full', 'constant_baseline', 'classification', 'distinct_reports', 'studies'} <= entry.keys()
        assert entry['studies'] == count and 1 <= entry['distinct_reports'] <= count
        for group in ('cut', 'full', 'constant_baseline'):
            assert {'BLEU_1', 'BLEU_2', 'BLEU_3', 'BLEU_4', 'ROUGE_L', 'CIDEr'} <= entry[group].keys()
        assert 'METEOR' not in entry['cut']  # the run had no Java
    assert {'config', 'variant', 'seed', 'step', 'versions'} <= found['provenance'].keys()
    printed = (trained.parent / 'unbroken.log').read_text()
    assert 'copied from train, protocol cut' in printed
    assert f'variant paper, seed 0, step {best_step(trained)}, configuration' in printed
    assert found['provenance']['step'] == best_step(trained)
    assert found['provenance']['versions'].keys() >= {'jax', 'flax', 'python'}


def test_scores_follow_from_the_predictions(trained, tmp_path):
    for split in ('val', 'test'):
        for kind in CLEANED:
            output = tmp_path / 'scores.json'
            score(Options(predictions=trained / 'predictions' / f'{split}.jsonl', protocol=kind, output=output))
            found = json.loads(output.read_text())
            entry, made_by = scores(trained)[split], scores(trained)['provenance']
            for name, value in entry[kind].items():
                assert found[kind][name] == pytest.approx(value)
                assert found['intervals'][kind][name] == pytest.approx(entry['intervals'][kind][name])
            assert found['clinical'] == entry['clinical'] and found['provenance']['split'] == split
            assert entry['copied_from_train'].keys() == set(CLEANED)
            assert {name: found['provenance'][name] for name in ('config', 'variant', 'seed', 'step')} == {
                name: made_by[name] for name in ('config', 'variant', 'seed', 'step')
            }


def test_copied_predictions_still_say_what_made_them(trained, tmp_path):
    copied = shutil.copy(trained / 'predictions' / 'test.jsonl', tmp_path / 'copied.jsonl')
    found = score(Options(predictions=copied, protocol='full', labeler='none', resamples=20))['provenance']
    made_by = scores(trained)['provenance']
    assert run_in_words(found) == run_in_words(made_by)
    assert found['step'] == best_step(trained) and 'configuration' in run_in_words(found)


def test_predictions_of_the_last_step_say_so_in_their_run_too(trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / 'run')
    rows = predictions(run, 'test')
    last = run / 'predictions' / 'test_last.jsonl'
    last.write_text('\n'.join(json.dumps(row | {'made_by': row['made_by'] | {'step': 900}}) for row in rows))
    found = score(Options(predictions=last, protocol='full', labeler='none', resamples=20))['provenance']
    assert (found['step'], found['config']['variant']) == (900, found['variant'])


def test_the_final_scores_are_those_of_the_selected_epoch(trained):
    best = [line for line in records(trained) if line['split'] == 'val' and line['step'] == best_step(trained)][0]
    final = scores(trained)['val']
    assert {name: best[name] for name in final['cut']} == pytest.approx(final['cut'])
    assert {name: best[name] for name in final['losses']} == final['losses']


def test_figures_are_images(trained):
    names = sorted(path.name for path in (trained / 'figures').iterdir())
    assert names == ['losses.png', 'optimiser.png', 'scores.png', 'test-00000.png', 'test-00000.words.png']
    for name in names:
        with Image.open(trained / 'figures' / name) as image:
            assert min(image.size) > 200 and len(np.unique(np.asarray(image.convert('L')))) > 10


def test_evaluating_again_in_batches_of_another_size_says_the_same(trained, run, tmp_path):
    workdir = shutil.copytree(trained, tmp_path / 'run')
    for name in ('scores.json', 'predictions', 'figures'):
        shutil.rmtree(workdir / name) if (workdir / name).is_dir() else (workdir / name).unlink()
    config = run.experiment.config.copy_and_resolve_references()
    config.evaluation.update(batch_size=4, figures=0)  # six studies: the second batch is filled up
    results.evaluate_workdir(config, workdir)
    for split in ('val', 'test'):
        for row, expected in zip(predictions(workdir, split), predictions(trained, split), strict=True):
            assert (row['id'], row['report']) == (expected['id'], expected['report'])
            assert row['log_prob'] == pytest.approx(expected['log_prob'], abs=1e-4)
            assert row['class_probabilities'] == pytest.approx(expected['class_probabilities'], abs=1e-5)
        found, expected = (scores(folder)[split]['losses'] for folder in (workdir, trained))
        # Which occurrence of a repeated word VTAC selects is a matter of rounding.
        assert found.pop('vtac_mse') == pytest.approx(expected.pop('vtac_mse'), rel=0.02)
        assert found == pytest.approx(expected, rel=1e-5)
        found, expected = (scores(folder)[split]['cut'] for folder in (workdir, trained))
        assert {name: found[name] for name in expected} == pytest.approx(expected)


class Damaged(list):
    """Batches whose iterator closes, as a split's does."""

    def __iter__(self):
        yield from super().__iter__()


def test_studies_that_are_skipped_are_named_and_count_nowhere(run, monkeypatch):
    original = Experiment.eval_batches

    def damaged(experiment, source):
        batches = [dict(batch) for batch in original(experiment, source)]
        batches[0]['valid'] = batches[0]['valid'] & (batches[0]['index'] != 2)
        return Damaged(batches)

    evaluator = evaluate.Evaluator(run.experiment, sharding.make_mesh())
    source = open_split(run.experiment.config, 'test')
    whole = evaluator.run(run.variables, source, 'whole')
    monkeypatch.setattr(Experiment, 'eval_batches', damaged)
    part = evaluator.run(run.variables, source, 'damaged')
    assert (whole.skipped, part.skipped) == ([], [source.ids[2]])
    assert part.rows == [row for i, row in enumerate(whole.rows) if i != 2]
    assert part.losses['report_nll'] != whole.losses['report_nll']


def test_the_next_batch_is_started_before_one_is_fetched():
    started = []

    def results():
        for number in range(3):
            started.append(number)
            yield number

    seen = [(result, len(started)) for result in evaluate.one_ahead(results())]
    assert seen == [(0, 2), (1, 3), (2, 3)]


def test_an_evaluation_that_is_stopped_does_not_wait_for_all_its_words(monkeypatch):
    made, stopping = [], threading.Event()

    class Host(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            stopping.set()
            super().shutdown(wait)

    class NoBatches(list):
        def __iter__(self):
            yield from ()

    def make_rows(part, source):
        made.append(part)
        stopping.wait()

    def stopped(*_):
        yield from range(4)
        while not made:
            time.sleep(0.01)
        raise KeyboardInterrupt

    evaluator = evaluate.Evaluator.__new__(evaluate.Evaluator)
    evaluator.experiment = SimpleNamespace(eval_batches=lambda source: NoBatches(), config=SimpleNamespace(seed=0))
    monkeypatch.setattr(evaluator, 'rows', make_rows, raising=False)
    monkeypatch.setattr(evaluate, 'tracked', stopped)
    monkeypatch.setattr(evaluate, 'ThreadPoolExecutor', Host)
    with pytest.raises(KeyboardInterrupt):
        evaluator.run(None, None, '')
    assert made == [0]


def test_a_second_evaluation_of_a_workdir_is_refused_while_one_runs(tmp_path):
    with sole_writer(tmp_path / 'predictions', 'evaluating'):
        with pytest.raises(ValueError, match='another process is evaluating there'):
            results.write_results(tmp_path, None, None, 0)


def test_java_is_started_before_the_evaluation(monkeypatch, tmp_path):
    calls, opened = [], SimpleNamespace(experiment=None, variables=None, step=0)
    for name in ('open_trained', 'nlg.find_meteor', 'Evaluator', 'write_results'):
        monkeypatch.setattr(f'camanet_jax.results.{name}', lambda *_, name=name: calls.append(name) or opened)
    results.evaluate_workdir(recipe('demo'), tmp_path)
    assert calls == ['open_trained', 'nlg.find_meteor', 'Evaluator', 'write_results']


def test_in_the_control_nobody_keeps_the_own_report():
    rows = [{'id': str(i), 'report': f'report {i}', 'reference': f'reference {i}'} for i in range(7)]
    for seed in range(20):
        control = evaluate.shuffled(rows, seed)
        assert [row['reference'] for row in control] == [row['reference'] for row in rows]
        assert sorted(row['report'] for row in control) == sorted(row['report'] for row in rows)
        assert not any(row['report'] == own['report'] for row, own in zip(control, rows, strict=True))


def test_in_the_control_nobody_gets_the_own_patients_report():
    rows = [{'id': str(i), 'report': f'report {i}', 'patient': 'abacabad'[i]} for i in range(8)]
    for seed in range(20):
        control = evaluate.shuffled(rows, seed)
        givers = [rows[int(row['report'].removeprefix('report '))]['patient'] for row in control]
        assert sorted(givers) == sorted('abacabad')
        assert all(giver != row['patient'] for giver, row in zip(givers, control, strict=True))


def test_only_labelled_studies_are_classified():
    labels = np.full((3, 14), np.nan)
    rows = [{'class_probabilities': [0.9] + [0.1] * 13} for _ in range(3)]
    result = evaluate.SplitResult(rows, {}, np.zeros((3, 1)), labels, [])
    assert evaluate.class_scores(result) == {}
    labels[1] = [1] + [0] * 13
    assert evaluate.class_scores(result)['micro']['F1'] == 1
    labels[1, 2:] = np.nan
    found = evaluate.class_scores(result)
    assert len(found['per_class']) == 2 and found['macro']['F1'] == 0.5, 'an observation without labels has no F1'


def test_an_observation_without_a_label_is_no_mistake():
    labels = np.array([[1, np.nan] + [0] * 12])
    result = evaluate.SplitResult([{'class_probabilities': [0.9, 0.9] + [0.1] * 12}], {}, np.zeros((1, 1)), labels, [])
    assert evaluate.class_scores(result)['micro']['precision'] == 1
