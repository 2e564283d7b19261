import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_oracles import relational_memory
from quick_modules import draw_variables, quick

from camanet_jax.models.relational_memory import RelationalMemory


@pytest.fixture(scope='module')
def case():
    module = RelationalMemory(width=8, heads=2, slots=3, dtype=jnp.float64, param_dtype=jnp.float64)
    embedded = np.random.default_rng(0).normal(size=(2, 5, 8))
    variables = draw_variables(module, embedded, train=False)
    return lambda variables, x: module.apply(variables, x, train=False), variables, embedded


def test_the_memory_after_each_token_is_the_oracles(case, double):
    apply, variables, embedded = case
    for actual, report in zip(quick(apply)(variables, embedded), embedded, strict=True):
        np.testing.assert_allclose(actual, relational_memory(variables['params'], 2, 3, report), rtol=1e-10, atol=1e-12)


def test_the_memory_of_a_token_ignores_what_follows(case, double):
    apply, variables, embedded = case
    changed = embedded.copy()
    changed[:, 3:] = 0
    before, after = (quick(apply)(variables, x) for x in (embedded, changed))
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert (before[:, 3] != after[:, 3]).any()


def test_no_round_draws_its_own_dropout():
    module, embedded = RelationalMemory(width=8, heads=2, dropout=0.5), np.ones((2, 5, 8), np.float32)
    variables = draw_variables(module, embedded, train=False)

    def run(key):
        return module.apply(variables, embedded, train=True, rngs={'dropout': key})

    (rounds,) = (one for one in jax.make_jaxpr(run)(jax.random.key(0)).eqns if one.primitive.name == 'scan')
    assert 'random' not in str(rounds.params['jaxpr'])
    first, second = run(jax.random.key(0)), run(jax.random.key(1))
    assert (first != second).any()
