import types

import nltk.corpus
import numpy as np
import pytest

from camanet_jax.metrics import meteor, nlg


class WordNet:
    """A WordNet of one pair of synonyms."""

    def ensure_loaded(self):
        pass

    def synsets(self, word):
        lemma = types.SimpleNamespace(name=lambda: 'heart')
        return [types.SimpleNamespace(lemmas=lambda: [lemma])] if word == 'pump' else []


def test_by_hand():
    # All words match in one run: penalty 0.5 (1/2)^3. A synonym matches too. One of two: precision 1, recall 1/2.
    scores = meteor.nltk_meteor(['a b', 'pump b', 'a', ''], ['a b', 'heart b', 'a b', 'a b'], WordNet())
    f_mean = 0.5 / (0.9 * 1 + 0.1 * 0.5)
    np.testing.assert_allclose(scores, [15 / 16, 15 / 16, f_mean / 2, 0])


def test_without_java_it_stands_in_under_its_own_name(monkeypatch):
    monkeypatch.setattr(nlg, 'shared_meteor', lambda: None)
    monkeypatch.setattr(nlg, 'shared_wordnet', WordNet)
    found = nlg.score_reports(['a b', ''], ['a b', 'a b'])
    assert 'METEOR' not in found.corpus
    assert found.corpus['METEOR_nltk'] == found.statistics['METEOR_nltk'].value() == pytest.approx(15 / 32)
    assert 'METEOR_nltk' not in nlg.score_reports(['a'], ['a'], with_meteor=False).corpus


def test_with_java_it_stays_away(monkeypatch):
    monkeypatch.setattr(nlg, 'shared_meteor', lambda: 'the program')
    monkeypatch.setattr(nlg, '_meteor', lambda *_: nlg.NlgScores({'METEOR': 0.5}, {}, {}))
    monkeypatch.setattr(nlg, 'shared_wordnet', WordNet)
    assert 'METEOR_nltk' not in nlg.score_reports(['a b'], ['a b']).corpus


def test_a_wordnet_that_is_not_installed_is_said_and_not_fetched(monkeypatch):
    said = []

    def missing():
        raise LookupError

    monkeypatch.setattr(nltk.corpus, 'wordnet', types.SimpleNamespace(ensure_loaded=missing))
    monkeypatch.setattr(meteor.LOG, 'warning', lambda *message: said.append(message[0]))
    assert meteor.shared_wordnet.__wrapped__() is None
    assert 'python -m nltk.downloader wordnet' in said[0]
    monkeypatch.setattr(nltk.corpus, 'wordnet', installed := WordNet())
    assert meteor.shared_wordnet.__wrapped__() is installed
