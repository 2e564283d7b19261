from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import FrozenDict
from numpy_oracles import tdm
from quick_modules import quick

from camanet_jax.explain import explain
from camanet_jax.models import vtac


def drawn(seed=0, studies=3, length=7, places=9, width=6):
    rng = np.random.default_rng(seed)
    attention = rng.dirichlet(np.ones(places), (studies, length))
    candidates = np.arange(length) < np.array([7, 4, 1])[:studies, None]
    return rng.normal(size=(studies, length, width)), rng.normal(size=(studies, width)), attention, candidates


def select(words, query, candidates, counts):
    similarity = vtac.cosine_similarity(jnp.asarray(words), jnp.asarray(query))
    return similarity, (vtac.ranks(similarity, candidates) < np.asarray(counts)[:, None]).astype(similarity.dtype)


@pytest.mark.parametrize('norm', ['word', 'map'])
def test_the_map_and_the_words_are_the_oracles(norm, double):
    words, query, attention, candidates = drawn()
    counts = [3, 2, 1]
    similarity, selection = select(words, query, candidates, counts)
    maps = vtac.textual_discriminative_map(attention, similarity, selection, norm=norm)
    for b in range(3):
        expected, selected = tdm(words[b], query[b], attention[b], candidates[b], counts[b], norm)
        assert set(np.flatnonzero(selection[b])) == selected
        np.testing.assert_allclose(maps[b], expected, rtol=1e-10, atol=1e-14)


def test_equation_15_leaves_the_similarity_out(double):
    words, query, attention, candidates = drawn()
    similarity, selection = select(words, query, candidates, [2, 2, 1])
    maps = vtac.textual_discriminative_map(attention, similarity, selection, weight='none')
    assert np.allclose(maps.max(-1), 1)


def test_equal_similarities_are_taken_in_reading_order():
    ranks = vtac.ranks(jnp.array([[0.5, 0.9, 0.5, 0.5]]), jnp.array([[True, False, True, True]]))
    assert ranks.tolist() == [[0, 3, 1, 2]]


def test_repeated_words_tie_whatever_the_rounding():
    tokens = jnp.array([[0, 7, 3, 7, 3, 7]])
    noisy = jnp.array([[0.0, 0.5, 0.2, 0.5000001, 0.1999999, 0.4999999]])
    similarity = vtac.same_for_same_word(noisy, tokens)
    assert similarity.tolist() == jnp.array([[0.0, 0.5, 0.2, 0.5, 0.2, 0.5]]).tolist()
    assert vtac.ranks(similarity, tokens > 0).tolist() == [[5, 0, 3, 1, 4, 2]]


def test_the_papers_count_is_exact():
    for k, length, expected in ((0.3, 50, 15), (0.3, 90, 27), (0.15, 100, 15), (0.25, 7, 2), (0.35, 1, 1), (0, 9, 0)):
        counts = vtac.selection_counts(k, 100)
        assert counts.by_candidates[length] == expected and counts.by_width[length] == 100


def test_the_official_count_is_a_float32_product_capped_by_the_batch():
    counts = vtac.selection_counts(0.3, 100, 'official')
    assert [counts.by_candidates[n] for n in (10, 50, 90, 100)] == [3, 16, 28, 31]
    assert vtac.selection_counts(0.15, 100, 'official').by_candidates[100] == 16
    candidates = jnp.ones((1, 9), bool)
    assert vtac.number_selected(counts, candidates, 9).tolist() == [2]  # ceil(2.7), but int(2.7)
    assert vtac.number_selected(counts, candidates, 60).tolist() == [3]


def test_bad_proportion_or_rule_is_named():
    with pytest.raises(ValueError, match='in \\[0, 1\\], got 25'):
        vtac.selection_counts(25, 10)
    with pytest.raises(ValueError, match="'paper'"):
        vtac.selection_counts(0.25, 10, 'paper')


def test_the_soft_selection_becomes_the_hard_one(double):
    words, query, _, candidates = drawn()
    counts = jnp.array([3, 4, 0])
    similarity, hard = select(words, query, candidates, counts)
    np.testing.assert_allclose(vtac.soft_selection(similarity, candidates, counts, 1e-6), hard, atol=1e-12)
    soft = np.asarray(vtac.soft_selection(similarity, candidates, counts, 0.5))
    assert (soft[0] > 0).all() and (soft[0] < 1).all() and soft[1].tolist() == candidates[1].tolist()


def test_words_that_are_not_selected_get_a_gradient_only_from_the_soft_selection(double):
    words, query, attention, candidates = drawn(studies=1)
    counts = jnp.array([2])

    def loss(words, soft):
        similarity, selection = select(words, query, candidates, counts)
        if soft:
            selection = vtac.soft_selection(similarity, candidates, counts, 3.0)
        maps = vtac.textual_discriminative_map(attention, similarity, selection)
        return jnp.square(maps).sum()

    similarity, selection = select(words, query, candidates, counts)
    positive = np.asarray((selection == 0) & (similarity > 0))[0]
    hard, soft = (np.abs(quick(jax.grad(partial(loss, soft=soft)))(words)[0]).sum(-1) for soft in (False, True))
    assert positive.any() and not hard[positive].any() and soft[positive].any()


def test_words_that_are_not_selected_keep_little_weight_at_full_width():
    rng = np.random.default_rng(0)
    similarity = vtac.cosine_similarity(
        jnp.asarray(rng.normal(size=(16, 60, 512))), jnp.asarray(rng.normal(size=(16, 512)))
    )
    candidates, counts = jnp.ones(similarity.shape, bool), jnp.full(16, 18)
    soft = np.asarray(vtac.soft_selection(similarity, candidates, counts, 0.1))
    rest = np.where(vtac.ranks(similarity, candidates) < 18, 0, soft)
    assert 0.03 < rest.sum() / soft.sum() < 0.12
    assert (rest.max(1) > 0.1).all()  # those next to the threshold are not shut out
    np.testing.assert_allclose(soft, vtac.soft_selection(5 * similarity, candidates, counts, 0.1), atol=1e-5)


def test_the_soft_selection_of_few_words_has_a_finite_gradient():
    similarity = jnp.array([[0.3, 0.3, 0.3], [0.3, 0.1, 0.2], [0.1, 0.2, 0.3]])
    candidates, counts = jnp.array([[True] * 3, [True, False, False], [False] * 3]), jnp.array([1, 1, 0])
    gradient = jax.grad(lambda s: vtac.soft_selection(s, candidates, counts, 0.1).sum())(similarity)
    assert np.isfinite(gradient).all() and not gradient[1:].any()


def test_the_effective_number_counts_equal_weights():
    assert vtac.effective_number(jnp.array([[1.0, 1, 0, 0], [0.5, 0.5, 0.5, 0.5], [0, 0, 0, 0]])).tolist() == [2, 4, 0]


def test_straight_through_is_the_hard_map_with_the_soft_gradient(tiny, output, double):
    def tdm(selection, encoded, embedded, attention):
        model, encoding = tiny.model.copy(tdm_selection=selection), output.encoding.replace(encoded=encoded)
        tokens = tiny.batch['tokens'][:, :-1]
        return model.apply(tiny.variables, encoding, tokens, embedded, attention, 7, method='consistency')['tdm']

    given = output.encoding.encoded, output.embedded, output.cross_attention
    towards = np.random.default_rng(0).normal(size=output.tdm.shape)
    maps, gradients = zip(
        *(jax.vjp(partial(tdm, name), *given) for name in ('rank', 'straight_through', 'soft')), strict=True
    )
    np.testing.assert_array_equal(maps[1], maps[0])
    assert (maps[2] != maps[0]).any()
    hard, through, soft = (gradient(towards) for gradient in gradients)
    jax.tree.map(np.testing.assert_array_equal, through, soft)
    assert (soft[0] != hard[0]).any() and (soft[2] != hard[2]).any()


def test_rows_of_both_attentions_are_kept_apart(output):
    mean = np.asarray(output.cross_attention.mean(1))
    np.testing.assert_array_equal(output.reading_attention, mean[:, 1:])  # row i: the input was word i
    np.testing.assert_array_equal(output.predicting_attention, mean)  # row i: word i was predicted


@pytest.mark.parametrize('variant', ['paper', 'official'])
def test_the_model_gives_each_variant_its_query_words_and_candidates(tiny, variant):
    fields = (
        {}
        if variant == 'paper'
        else dict(
            tdm_query='first_visual', tdm_word_vectors='decoder_input', tdm_candidates='words_and_bos', tdm_norm='map'
        )
    )
    output = tiny.run(tiny.model.copy(**fields))
    tokens = tiny.batch['tokens'][:, :-1]
    table = tiny.variables['params']['embedding']['embedding']
    for b in range(3):
        encoded, attention = np.asarray(output.encoding.encoded[b]), np.asarray(output.cross_attention[b].mean(0))
        if variant == 'paper':
            words, query, candidates, norm = table[tokens[b]], encoded[0], tokens[b] > 0, 'word'
        else:
            words, query, norm = np.asarray(output.embedded[b]), encoded[1], 'map'
            candidates = (tokens[b] > 0) | (np.arange(7) == 0)
        count = int(np.ceil(0.3 * candidates.sum() - 1e-9))
        expected, selected = tdm(words, query, attention, candidates, count, norm)
        assert set(np.flatnonzero(output.selection[b])) == selected
        np.testing.assert_allclose(output.tdm[b], expected, rtol=1e-8, atol=1e-12)


def test_a_word_can_be_given_the_row_that_predicted_it(tiny):
    output = tiny.run(tiny.model.copy(tdm_row='predicting'))
    tokens, table = tiny.batch['tokens'][:, :-1], tiny.variables['params']['embedding']['embedding']
    for b in range(3):
        attention = np.asarray(output.predicting_attention[b])[np.arange(7) - 1]  # word i is predicted by input i - 1
        query, candidates = np.asarray(output.encoding.encoded[b, 0]), tokens[b] > 0
        count = int(np.ceil(0.3 * candidates.sum() - 1e-9))
        expected, _ = tdm(table[tokens[b]], query, attention, candidates, count, 'word')
        np.testing.assert_allclose(output.tdm[b], expected, rtol=1e-8, atol=1e-12)
    with pytest.raises(ValueError, match="tdm_candidates='words' with tdm_row='predicting'"):
        tiny.model.copy(tdm_row='predicting', tdm_candidates='words_and_bos')


def test_vtac_without_a_vdm_to_compare_with_is_refused(tiny):
    with pytest.raises(ValueError, match='Expected vdmae=True with vtac=True'):
        tiny.model.clone(vdmae=False)
    assert tiny.model.clone(vdmae=False, vtac=False).vtac is False


def test_an_explained_map_does_not_depend_on_the_other_studies(tiny, double):
    model = tiny.model.clone(
        tdm_count='official', tdm_candidates='words_and_bos', backbone_options=FrozenDict(tiny.model.backbone_options)
    )
    films, words = tiny.batch['images'], tiny.batch['tokens'][:, 1:]
    alone, among = (explain(tiny.variables, films[:n], words[:n], model=model)[1] for n in (2, 3))
    assert alone.selected == among.selected
    np.testing.assert_allclose(alone.tdm, among.tdm, rtol=1e-6)
