"""Losses for reports that name findings, on values that can be worked out on paper."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.extra import findings
from camanet_jax.models.outputs import CamanetOutput, Encoding

EDEMA, NO_FINDING = OBSERVATIONS.index('Edema'), OBSERVATIONS.index('No Finding')
REPORTS = ['there is edema .'] * 5 + ['there is nothing .'] * 20 + ['edema edema edema .']


def output(class_logits=None, **fields):
    """A model's output, empty but for these fields."""
    rest = dict.fromkeys(('embedded', 'relational_memory', 'decoded', 'cross_attention', 'logits'))
    return CamanetOutput(Encoding(None, None, None, None, class_logits), **rest | fields)


@pytest.fixture
def experiment(monkeypatch):
    """Edema in five of 25 labelled reports, one of them called normal; the last report is unlabelled."""
    labels = np.zeros((len(REPORTS), len(OBSERVATIONS)), np.int8)
    labels[:4, EDEMA] = 1
    labels[4:25, NO_FINDING] = 1
    labels[25] = -1
    monkeypatch.setattr(findings, 'open_split', lambda config, split: SimpleNamespace(labels=labels, reports=REPORTS))
    return SimpleNamespace(
        config=SimpleNamespace(data=SimpleNamespace(max_seq_length=8)),
        tokenizer=Tokenizer.build(REPORTS, cleaner='iu_xray', threshold=1),
    )


def test_a_word_is_tied_to_the_finding_that_it_comes_with(experiment):
    tied = findings.tied_words(experiment)
    word = experiment.tokenizer.encode('edema', 8)[1]
    assert np.argwhere(tied).tolist() == [[word, EDEMA]]  # 'nothing' comes with No Finding, 'there' with everything


def test_a_word_of_few_reports_or_of_many_is_tied_to_nothing(experiment, monkeypatch):
    monkeypatch.setattr(findings, 'FEWEST_TOGETHER', 5)
    assert not findings.tied_words(experiment).any()
    monkeypatch.setattr(findings, 'FEWEST_TOGETHER', 4)
    monkeypatch.setattr(findings, 'MOST_STUDIES', 0.2)
    assert not findings.tied_words(experiment).any()


def test_the_words_of_a_studys_own_findings_count(experiment):
    loss = findings.FindingWords(experiment)
    ids = experiment.tokenizer.encode('there is edema .', 8)
    tokens = np.array([ids + [0], ids + [0]], np.int32)
    labels = np.zeros((2, len(OBSERVATIONS)), np.float32)
    labels[0, EDEMA], labels[1] = 1, np.nan
    batch = {'tokens': tokens, 'labels': labels, 'token_mask': np.array([[1.0] * len(ids) + [0.0]] * 2)}
    logits = jnp.zeros((2, len(ids), len(experiment.tokenizer) + 1))
    uniform = np.log(logits.shape[-1])
    np.testing.assert_allclose(loss(output(logits=logits), batch), [uniform / (len(ids) - 1), 0], rtol=1e-6)


def test_positive_findings_that_the_classifier_misses_count():
    labels = np.zeros((3, len(OBSERVATIONS)), np.float32)
    labels[0, EDEMA], labels[1, NO_FINDING], labels[2] = 1, 1, np.nan
    found = findings.missed_findings(output(jnp.zeros_like(labels)), {'labels': labels})
    np.testing.assert_allclose(found, [np.log(2) / 14, 0, 0], rtol=1e-6)
    gradient = jax.grad(lambda x: findings.missed_findings(output(x), {'labels': labels}).sum())(jnp.zeros_like(labels))
    assert gradient[0, EDEMA] < 0 and jnp.count_nonzero(gradient) == 1
    np.testing.assert_array_equal(findings.missed_findings(output(), {'labels': labels}), [0, 0, 0])  # Base
