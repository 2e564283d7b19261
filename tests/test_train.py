"""Training through the front door: what a run records, keeps and refuses."""

import json
import re

import numpy as np
import pytest
from front_door import checkpoint_steps, records, steps
from tiny import STEPS_PER_EPOCH

from camanet_jax import evaluate
from camanet_jax.run import workdir
from camanet_jax.run.checkpoint import Checkpoints
from camanet_jax.run.metrics_log import NonFiniteLoss
from camanet_jax.train import train, warn_of_few_reports

EPOCHS = 2
LAST = EPOCHS * STEPS_PER_EPOCH


def test_each_step_and_each_epoch_is_recorded_once(trained):
    assert steps(trained, 'train') == list(range(1, LAST + 1))
    assert steps(trained, 'val') == [STEPS_PER_EPOCH, LAST]
    for line in records(trained):
        assert line['epoch'] == (line['step'] - 1) // STEPS_PER_EPOCH + 1


def test_a_step_records_unweighted_losses_rates_norms_and_speed(trained):
    with (trained / 'metrics.jsonl').open() as file:
        line = json.loads(file.readline())
    assert {
        'report_nll',
        'pseudo_label_bce',
        'vtac_mse',
        'loss',
        'gradient_norm',
        'update_norm',
        'empty_vdm_share',
        'effective_words',
        'lr_backbone',
        'lr_decoder',
        'time/images_per_second',
    } <= line.keys()
    weighted = line['report_nll'] + 1.0 * line['pseudo_label_bce'] + 0.15 * line['vtac_mse']  # IU X-Ray's weights
    assert line['loss'] == pytest.approx(weighted, rel=1e-6)


def test_the_model_learns(trained):
    losses = [line['report_nll'] for line in records(trained) if line['split'] == 'val']
    assert losses[1] < losses[0]


def test_a_run_that_gets_worse_stops_early_and_scores_its_best_epoch(make_config, tmp_path, monkeypatch):
    scores = iter([0.3, 0.2, 0.1, 0.4])
    original = evaluate.Evaluator.language_scores
    monkeypatch.setattr(
        evaluate.Evaluator,
        'language_scores',
        lambda *arguments: original(*arguments) | {'selection_score': next(scores)},
    )
    train(make_config({'epochs': 9, 'early_stop': 2, 'evaluation.figures': 0}), tmp_path / 'run')
    assert steps(tmp_path / 'run', 'val') == [3, 6, 9]
    assert checkpoint_steps(tmp_path / 'run') == [3, 9]
    assert json.loads((tmp_path / 'run' / 'scores.json').read_text())['provenance']['step'] == 3


def falling(score_reports):
    """Scores whose BLEU falls from call to call."""
    bleu = iter([0.3, 0.2, 0.1, 0.0])

    def score(*arguments, **options):
        scores = score_reports(*arguments, **options)
        value = next(bleu, 0.0)
        return scores._replace(corpus=scores.corpus | {'BLEU_1': value, 'BLEU_4': value})

    return score


def test_divergence_stops_and_leaves_the_last_good_checkpoint(make_config, tmp_path):
    # The rates of the second epoch are 1e30 times those of the first.
    config = make_config({'optimiser.decay_epochs': 1, 'optimiser.decay_rate': 1e30})
    for _ in range(2):  # the same command again changes nothing
        with pytest.raises(NonFiniteLoss, match=r'Step 4 gave .*The last good checkpoint is step 3 in .*checkpoints'):
            train(config, tmp_path / 'run')
        assert checkpoint_steps(tmp_path / 'run') == [3]
        assert steps(tmp_path / 'run', 'train') == [1, 2, 3]
    parameters = workdir.open_trained(tmp_path / 'run').variables['params']
    assert np.isfinite(parameters['vocabulary_head']['kernel']).all()


def test_bfloat16_computes_and_keeps_parameters_and_losses_in_float32(make_config, tmp_path):
    train(make_config({'dtype': 'bfloat16', 'epochs': 1, 'evaluation.figures': 0}), tmp_path / 'run')
    assert steps(tmp_path / 'run', 'train') == [1, 2, 3]
    state = workdir.open_trained(tmp_path / 'run').variables
    assert state['params']['vocabulary_head']['kernel'].dtype == np.float32
    assert state['batch_stats']['backbone']['norm0']['mean'].dtype == np.float32


def test_the_base_system_trains_without_labels_and_maps_and_can_be_scored_at_its_last_epoch(
    make_config, tmp_path, monkeypatch
):
    monkeypatch.setattr(evaluate.nlg, 'score_reports', falling(evaluate.nlg.score_reports))
    train(make_config({'model.vdmae': False, 'model.vtac': False, 'selection': 'last'}), tmp_path / 'run')
    assert json.loads((tmp_path / 'run' / 'scores.json').read_text())['provenance']['step'] == LAST
    first = records(tmp_path / 'run')[0]
    assert first['loss'] == first['report_nll']
    assert not {'pseudo_label_bce', 'vtac_mse', 'empty_vdm_share', 'effective_words'} & first.keys()
    assert json.loads((tmp_path / 'run' / 'scores.json').read_text())['test']['classification'] == {}


def test_a_checkpoint_holds_what_a_run_needs(trained):
    run = Checkpoints(trained).read_run()
    assert run.keys() == {'batches', 'key', 'vocabulary', 'config', 'selection', 'validated'}
    assert run['batches'] == {'next_batch': LAST}


def test_a_second_run_in_the_same_folder_is_refused(make_config, tmp_path):
    (tmp_path / 'run').mkdir()
    with workdir.only_writer(tmp_path / 'run'), pytest.raises(ValueError, match='another process is training there'):
        train(make_config(), tmp_path / 'run')
    with workdir.only_writer(tmp_path / 'run'):  # the lock went with its holder
        pass


def test_goodput_is_recorded_and_shown(trained):
    lines = [json.loads(line) for line in (trained / 'metrics.jsonl').read_text().splitlines()]
    first, last = (line for line in lines if line['split'] == 'val')
    assert 0 < first['time/goodput'] < 1 and first['time/startup'] > 0 and first['time/validation'] > 0
    assert last['time/startup'] == 0 and last['time/saving'] > 0
    assert re.search(r'wall time \d+ s: startup \d+%, steps', (trained / 'report.html').read_text(encoding='utf-8'))


def test_a_model_that_writes_one_report_for_all_is_warned_of(caplog):
    warn_of_few_reports(5, 100)
    assert not caplog.text
    warn_of_few_reports(4, 100)
    assert 'Only 4 different reports for 100 studies' in caplog.text


def test_what_could_stop_a_run_at_its_end_is_said_before_its_first_step(trained):
    log = (trained.parent / 'unbroken.log').read_text(encoding='utf-8')
    before = log[: log.index('Training 1/') if 'Training 1/' in log else log.index('Validating')]
    assert 'METEOR is left out' in before and 'Disk: checkpoints need' in before  # Java is not on its path
    assert 'of the words of train are outside the vocabulary' in before
