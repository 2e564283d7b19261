"""Searches on a small drawn lattice, where every report can be listed."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from camanet_jax.decoding import END, beam_search, make_search, restrict, sample

STUDIES, WORDS, LONGEST = 3, 4, 5


@pytest.fixture(scope='module')
def lattice():
    """Log-probabilities [study, token before the last, last token, next token]."""
    return jax.nn.log_softmax(np.random.default_rng(3).normal(size=(STUDIES, WORDS, WORDS, WORDS)) * 1.5)


def step_of(lattice):
    """The lattice as a step function; its cache holds the token before, so beams must be reordered right."""

    def step(tokens, position, cache):
        studies = jnp.arange(STUDIES)[:, None]
        return lattice[studies, cache['before'], tokens], {'before': tokens}

    return step


def start(beams):
    return {'before': jnp.zeros((STUDIES, beams), jnp.int32)}


def log_prob(table, report):
    """The exact score of a report, with or without its end."""
    before, last, total = 0, 0, 0.0
    for word in report:
        total += table[before, last, word]
        before, last = last, word
    return total


def all_reports():
    for length in range(1, LONGEST + 1):
        for words in itertools.product(range(1, WORDS), repeat=length - 1):
            yield (*words, END)
    yield from itertools.product(range(1, WORDS), repeat=LONGEST)


def beams_by_hand(table, size):
    """Beam search to the very end: all reports that ended, best first."""
    live, finished = [((), 0.0)], []
    for position in range(LONGEST):
        grown = [((*report, word), log_prob(table, (*report, word))) for report, _ in live for word in range(WORDS)]
        best = sorted(grown, key=lambda pair: -pair[1])[:size]
        ended = [pair for pair in best if pair[0][-1] == END or position == LONGEST - 1]
        finished += ended
        live = [pair for pair in best if pair not in ended]
    return sorted(finished, key=lambda pair: -pair[1])


def padded(report):
    return [*report, *[0] * (LONGEST - len(report))]


@pytest.mark.parametrize('size', [1, 2, 3])
@pytest.mark.parametrize('full_list', [False, True])
def test_beams_are_those_found_by_hand(lattice, size, full_list):
    found = beam_search(
        step_of(lattice), start(size), batch=STUDIES, max_length=LONGEST, beam_size=size, full_list=full_list
    )
    for b in range(STUDIES):
        expected = beams_by_hand(np.asarray(lattice[b]), size)[: size if full_list else 1]
        for n, (report, score) in enumerate(expected):
            assert found.tokens[b, n].tolist() == padded(report)
            np.testing.assert_allclose(found.scores[b, n], score, rtol=1e-5)


def test_a_beam_wide_enough_finds_the_best_of_all_reports(lattice):
    size = WORDS**3
    found = beam_search(step_of(lattice), start(size), batch=STUDIES, max_length=LONGEST, beam_size=size)
    for b in range(STUDIES):
        best = max(all_reports(), key=lambda report: log_prob(np.asarray(lattice[b]), report))
        assert found.tokens[b, 0].tolist() == padded(best)


def test_one_beam_is_greedy(lattice):
    found = beam_search(step_of(lattice), start(1), batch=STUDIES, max_length=LONGEST, beam_size=1)
    for b in range(STUDIES):
        report, before, last = [], 0, 0
        while len(report) < LONGEST and (not report or last != END):
            before, last = last, int(np.argmax(lattice[b, before, last]))
            report.append(last)
        assert found.tokens[b, 0].tolist() == padded(report)


def test_reports_cut_at_the_limit_are_finished():
    never = jnp.full((STUDIES, WORDS, WORDS, WORDS), -1.0).at[..., END].set(-50.0)
    found = beam_search(step_of(never), start(2), batch=STUDIES, max_length=LONGEST, beam_size=2)
    assert (found.tokens[:, 0] != END).all()
    np.testing.assert_allclose(found.scores[:, 0], -LONGEST)


def test_restrict_keeps_the_likeliest_words():
    log_probs = jnp.log(jnp.array([0.5, 0.1, 0.3, 0.1]))

    def kept(**options):
        defaults = dict(temperature=1.0, top_k=0, top_p=1.0)
        return np.isfinite(restrict(log_probs, **(defaults | options))).tolist()

    assert kept() == [True] * 4
    assert kept(top_k=2) == [True, False, True, False]
    assert kept(top_p=0.6) == [True, False, True, False]  # 0.5 is not enough, 0.8 is
    assert kept(top_p=0.01) == [True, False, False, False]
    assert kept(top_k=1, top_p=0.9) == [True, False, False, False]
    np.testing.assert_allclose(
        jnp.exp(restrict(log_probs, temperature=0.5, top_k=0, top_p=1.0)), np.array([25, 1, 9, 1]) / 36, rtol=1e-5
    )


def test_samples_follow_the_model_and_are_scored_by_it(lattice):
    draws = 4000
    found = sample(
        step_of(lattice), start(draws), jax.random.key(0), batch=STUDIES, max_length=LONGEST, beam_size=draws
    )
    for b in range(STUDIES):
        table = np.asarray(lattice[b])
        firsts = np.bincount(found.tokens[b, :, 0], minlength=WORDS) / draws
        np.testing.assert_allclose(firsts, np.exp(table[0, 0]), atol=0.04)
        for n in (0, draws // 2, draws - 1):
            report = found.tokens[b, n].tolist()
            report = report[: report.index(END) + 1] if END in report else report
            assert not found.tokens[b, n, len(report) :].any()
            np.testing.assert_allclose(found.scores[b, n], log_prob(table, report), rtol=1e-5)
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        ('greedy', {}, "'greedy'"),
        ('beam', {'temperature': 0.5}, "'beam' has no option 'temperature', but full_list"),
        ('sample', {'beam_size': 2}, "'sample' has no option 'beam_size', but temperature, top_k, top_p"),
        ('sample', {'temperature': 0.0}, 'Expected search.temperature from .* got 0.0'),
        ('sample', {'top_k': -1}, 'Expected search.top_k from 0 .* got -1'),
        ('sample', {'top_p': 0.0}, 'Expected search.top_p from .* to 1, got 0.0'),
        ('sample', {'top_p': 1.5}, 'Expected search.top_p from .* to 1, got 1.5'),
    ],
)
def test_an_unknown_search_or_option_is_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        make_search(name, **options)
