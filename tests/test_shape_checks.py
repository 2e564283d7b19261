"""The shape annotations are checked while these tests run, so that a wrong one, or a wrong array, is found."""

import sys

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from camanet_jax import losses
from camanet_jax.models.relational_memory import RelationalMemory


@pytest.mark.parametrize('library', [np, jnp])
def test_axes_of_one_name_must_agree(library):
    maps = library.zeros((2, 49))
    assert losses.vtac_mse(maps, maps).shape == (2,)
    with pytest.raises(jaxtyping.TypeCheckError, match='vdm'):
        losses.vtac_mse(maps, library.zeros((2, 50)))


def test_kinds_of_numbers_are_checked():
    with pytest.raises(jaxtyping.TypeCheckError, match='targets'):
        losses.report_nll(jnp.zeros((2, 3, 5)), jnp.zeros((2, 3)), jnp.ones((2, 3)))


def test_methods_of_modules_are_checked_under_jit():
    module = RelationalMemory(width=8, heads=2)
    with pytest.raises(jaxtyping.TypeCheckError, match='embedded'):
        jax.jit(lambda x: module.init(jax.random.key(0), x, train=False))(jnp.zeros((2, 8)))


def test_a_wrong_result_is_found(monkeypatch):
    monkeypatch.setattr(sys.modules[RelationalMemory.__module__], 'rearrange', lambda memories, pattern: memories)
    module = RelationalMemory(width=8, heads=2)
    with pytest.raises(jaxtyping.TypeCheckError, match='return value'):
        module.init(jax.random.key(0), jnp.zeros((2, 3, 8)), train=False)


def test_checks_can_be_left_out(without_shape_checks):
    assert losses.vtac_mse(jnp.zeros((2, 1)), jnp.zeros((2, 50))).shape == (2,)
