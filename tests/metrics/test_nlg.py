import contextlib
import functools
import io

import numpy as np
import pytest
from pycocoevalcap.bleu.bleu import Bleu

from camanet_jax.metrics import meteor, nlg
from camanet_jax.metrics.bootstrap import resampling_weights
from camanet_jax.metrics.nlg import NAMES, score_reports

REFERENCES = [
    'the heart is normal in size . the lungs are clear .',
    'small left pleural effusion .',
    'no acute disease . no pneumothorax .',
    'mild cardiomegaly with clear lungs .',
]
HYPOTHESES = [
    'the heart is normal . the lungs are clear .',
    'small left pleural effusion .',
    '',
    'the lungs are clear and the heart is enlarged . no effusion .',
]


@pytest.fixture
def with_java():
    if meteor.shared_meteor() is None:
        pytest.skip('METEOR needs Java')


def pycoco_bleu(hypotheses, references):
    with contextlib.redirect_stdout(io.StringIO()):
        corpus, _ = Bleu(4).compute_score(
            {i: [text] for i, text in enumerate(references)},
            {i: [text] for i, text in enumerate(hypotheses)},
        )
    return corpus


def test_bleu_by_hand():
    scores = score_reports(['a b c'], ['a b d'], with_meteor=False).corpus
    assert scores['BLEU_1'] == pytest.approx(2 / 3)
    assert scores['BLEU_2'] == pytest.approx((2 / 3 * 1 / 2) ** 0.5)
    assert scores['BLEU_4'] == pytest.approx(0, abs=1e-3)


def test_a_short_hypothesis_pays_the_brevity_penalty():
    scores = score_reports(['a b'], ['a b c d'], with_meteor=False).corpus
    assert scores['BLEU_1'] == pytest.approx(np.exp(1 - 4 / 2))


def test_rouge_l_by_hand():
    # The longest common subsequence is "a c": precision 2/2, recall 2/3, beta 1.2.
    scores = score_reports(['a c'], ['a b c'], with_meteor=False).corpus
    assert scores['ROUGE_L'] == pytest.approx(2.44 * (2 / 3) / (2 / 3 + 1.44))


def test_corpus_bleu_equals_pycocoevalcap():
    scores = score_reports(HYPOTHESES, REFERENCES, with_meteor=False).corpus
    ours = [scores[f'BLEU_{order}'] for order in range(1, 5)]
    np.testing.assert_allclose(ours, pycoco_bleu(HYPOTHESES, REFERENCES), rtol=1e-12)


def test_resampled_bleu_is_the_bleu_of_the_drawn_studies():
    scores = score_reports(HYPOTHESES, REFERENCES, with_meteor=False)
    drawn = [0, 0, 3, 1]
    resampled = scores.statistics['BLEU_2'].resampled(np.array([[2, 1, 0, 1]]))
    expected = pycoco_bleu([HYPOTHESES[i] for i in drawn], [REFERENCES[i] for i in drawn])[1]
    assert resampled == pytest.approx(expected)


def test_an_empty_report_scores_zero_and_a_perfect_one_the_most():
    per_study = score_reports(HYPOTHESES, REFERENCES, with_meteor=False).per_study
    for name, values in per_study.items():
        assert values[2] == 0, name
        assert values.argmax() == 1, name


def test_only_empty_reports_score_zero():
    scores = score_reports(['', ''], REFERENCES[:2], with_meteor=False).corpus
    assert set(scores.values()) == {0.0}


def test_names_and_silence(capsys, with_java):
    assert tuple(score_reports(HYPOTHESES, REFERENCES).corpus) == NAMES
    assert capsys.readouterr().out == ''


def test_meteor_formula_equals_the_program(with_java):
    scores = score_reports(HYPOTHESES, REFERENCES)
    statistics = scores.statistics['METEOR']
    assert statistics.value() == pytest.approx(scores.corpus['METEOR'], abs=1e-12)
    np.testing.assert_allclose(meteor.corpus_meteor(statistics.summands), scores.per_study['METEOR'], atol=1e-12)
    assert scores.per_study['METEOR'][1] == pytest.approx(1)
    assert scores.per_study['METEOR'][2] == 0


def test_resampled_meteor_is_the_meteor_of_the_drawn_studies(with_java):
    drawn = [1, 1, 0, 3]
    resampled = score_reports(HYPOTHESES, REFERENCES).statistics['METEOR'].resampled(np.array([[1, 2, 0, 1]]))
    redone = score_reports([HYPOTHESES[i] for i in drawn], [REFERENCES[i] for i in drawn])
    assert resampled == pytest.approx(redone.corpus['METEOR'])


def test_separators_line_ends_and_other_scripts_do_not_confuse_meteor(with_java):
    strange = ['a ||| b ||| c', 'größe\nnormal . 心影正常', '||| \ud800']
    references = ['a b c', 'größe normal . 心影正常', 'x']
    per_study = score_reports(strange, references).per_study['METEOR']
    assert per_study[:2] == pytest.approx([1, 1])
    assert per_study[2] == 0
    plain = score_reports(HYPOTHESES, REFERENCES).corpus['METEOR']
    assert score_reports(HYPOTHESES, REFERENCES).corpus['METEOR'] == plain


@pytest.fixture
def own_meteor(monkeypatch):
    """A METEOR not started yet, so that a test may break it without costing others theirs."""
    fresh = functools.cache(meteor.shared_meteor.__wrapped__)
    monkeypatch.setattr(meteor, 'shared_meteor', fresh)
    monkeypatch.setattr(nlg, 'shared_meteor', fresh)
    return fresh


def test_without_java_meteor_is_left_out_and_said_once(monkeypatch, caplog, own_meteor):
    monkeypatch.setenv('PATH', '')
    for _ in range(2):
        assert 'METEOR' not in score_reports(HYPOTHESES, REFERENCES).corpus
    assert caplog.text.count('METEOR is left out: no java') == 1


def fake_java(folder, monkeypatch, script):
    java = folder / 'java'
    java.write_text(f'#!/bin/sh\n{script}\n')
    java.chmod(0o755)
    monkeypatch.setenv('PATH', str(folder))


def test_a_java_that_does_not_run_is_no_java(monkeypatch, tmp_path, caplog, own_meteor):
    fake_java(tmp_path, monkeypatch, 'exit 1')
    assert 'METEOR' not in score_reports(HYPOTHESES, REFERENCES).corpus
    assert 'METEOR is left out' in caplog.text


def test_a_program_that_ends_names_the_report_and_is_forgotten(monkeypatch, tmp_path, own_meteor):
    fake_java(tmp_path, monkeypatch, 'read probe; echo 0; read first; exit 1')
    with pytest.raises(ValueError, match='METEOR failed at report number 0 .* 10 words'):
        score_reports(HYPOTHESES, REFERENCES)
    assert own_meteor.cache_info().currsize == 0


def test_reports_and_references_must_pair():
    with pytest.raises(ValueError, match='got 1 reports and 2 references'):
        score_reports(['a'], ['a', 'b'])
    with pytest.raises(ValueError, match='study number 1'):
        score_reports(['a', 'b'], ['a', ' '])
    with pytest.raises(ValueError, match='at least one'):
        score_reports([], [])


def test_intervals_of_all_scores_take_the_same_weights():
    scores = score_reports(HYPOTHESES, REFERENCES, with_meteor=False)
    weights = resampling_weights(4, resamples=20)
    assert all(s.resampled(weights).shape == (20,) for s in scores.statistics.values())


def test_pairs_aligned_ahead_are_not_asked_about_again(with_java, monkeypatch):
    nlg.align_ahead(HYPOTHESES, REFERENCES)
    monkeypatch.setattr(meteor.MeteorProcess, '_ask', None)
    again = meteor.shared_meteor().counts(HYPOTHESES, REFERENCES)
    assert again.shape == (len(REFERENCES), 23)


@pytest.mark.parametrize('locale', ['-Duser.language=de -Duser.country=DE', '-Duser.language=tr -Duser.country=TR'])
def test_meteor_does_not_depend_on_the_locale(monkeypatch, with_java, locale):
    monkeypatch.setenv('JAVA_TOOL_OPTIONS', locale)  # weaker than options on the command line
    process = meteor.MeteorProcess()
    counts = process.counts(['the heart IS big'], ['the heart is large'])
    assert process.scores(counts)[0] == pytest.approx(0.925)
    process.close()


def test_a_killed_program_is_started_again(with_java):
    process = meteor.MeteorProcess()
    counts = process.counts(['a b'], ['a b'])
    process._process.kill()
    np.testing.assert_array_equal(process.counts(['a b', 'b a'], ['a b', 'a b'])[:1], counts)
    process._process.kill()
    assert process.scores(counts)[0] == pytest.approx(1.0)
    process.close()
