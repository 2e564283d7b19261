import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from camanet_jax.optim import LearningRates, Schedule, freeze, make_optimiser, scale_by_amsgrad

RATES = LearningRates(backbone=1e-2, decoder=3e-2)


def drawn(seed):
    rng = np.random.default_rng(seed)
    return {path: {'kernel': rng.normal(size=(3, 2))} for path in ('backbone', 'classifier', 'memory')} | {
        'unused_background_norm': {'gamma': np.ones(2)}
    }


def amsgrad_by_hand(param, gradients, rate, decay, clip):
    """Clip, L2, AMSGrad whose maximum is taken before the bias correction."""
    first = second = largest = np.zeros_like(param)
    for step, gradient in enumerate(gradients, 1):
        gradient = np.clip(gradient, -clip, clip) + decay * param
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        largest = np.maximum(largest, second)
        deviation = np.sqrt(largest) / np.sqrt(1 - 0.999**step) + 1e-8
        param = param - rate * first / (1 - 0.9**step) / deviation
    return param


def test_many_steps_are_those_by_hand(double):
    start, gradients = drawn(0), [drawn(seed) for seed in range(1, 9)]
    gradients[2:] = jax.tree.map(lambda g: 0.01 * g, gradients[2:])  # a large start, so that the maximum matters
    tx = make_optimiser(clip_value=0.5, weight_decay=0.05)
    params, state = start, tx.init(start)
    for gradient in gradients:
        gradient = gradient | {'unused_background_norm': {'gamma': np.zeros(2)}}
        updates, state = tx.update(gradient, state, params, rates=RATES)
        params = optax.apply_updates(params, updates)
    for path, rate in (('backbone', 1e-2), ('classifier', 1e-2), ('memory', 3e-2)):
        expected = amsgrad_by_hand(start[path]['kernel'], [g[path]['kernel'] for g in gradients], rate, 0.05, 0.5)
        np.testing.assert_allclose(params[path]['kernel'], expected, rtol=1e-12)
    assert (params['unused_background_norm']['gamma'] == 1).all()


def test_the_maximum_is_not_optaxs(double):
    gradients = [np.array([1.0]), np.array([0.01]), np.array([0.01])]

    def last(tx):
        state = tx.init(gradients[0])
        for gradient in gradients:
            update, state = tx.update(gradient, state)
        return float(update[0])

    assert abs(last(scale_by_amsgrad()) / last(optax.scale_by_amsgrad()) - 1) > 0.1


def test_the_first_step_in_float32_is_the_learning_rate():
    gradient = {'memory': {'kernel': jnp.array([0.01, -0.02, 1e-5])}}
    tx = make_optimiser(weight_decay=0.0)
    updates, _ = tx.update(gradient, tx.init(gradient), gradient, rates=RATES)
    expected = -0.03 * np.sign(gradient['memory']['kernel']) / (1 + 1e-8 / np.abs(gradient['memory']['kernel']))
    np.testing.assert_allclose(updates['memory']['kernel'], expected, rtol=1e-6)


@pytest.mark.parametrize('lag', [0, 1])
def test_warm_up_and_decay(lag):
    def rates(update):
        return Schedule(5e-5, 1e-4, 2, 5e-6, 3, 0.8, lag).rates(update, steps_per_epoch=4)

    assert rates(0) == (5e-6, 5e-6)
    np.testing.assert_allclose(rates(4 + lag), (2.75e-5, 5.25e-5))
    assert rates(8 + lag) == (5e-5, 1e-4) == rates(8 + 11 + lag)
    np.testing.assert_allclose(rates(8 + 12 + lag), (4e-5, 8e-5))
    np.testing.assert_allclose(rates(8 + 24 + lag), (3.2e-5, 6.4e-5))
    assert rates(8) == rates(9) if lag == 0 else rates(8) != rates(9)


def test_what_is_frozen_gets_neither_gradient_nor_l2_and_without_a_clip_large_gradients_stay(double):
    start = drawn(0)

    def loss(params):
        return sum(1e3 * (leaf**2).sum() for leaf in jax.tree.leaves(freeze(params, ('^back',))))

    gradient = jax.grad(loss)(start)
    assert not gradient['backbone']['kernel'].any() and np.abs(gradient['memory']['kernel']).max() > 100
    tx = make_optimiser(clip_value=None, weight_decay=0.5, b1=0.5, b2=0.5, frozen=('^back',))
    updates, state = tx.update(gradient, tx.init(start), start, rates=RATES)
    assert not updates['backbone']['kernel'].any() and updates['classifier']['kernel'].all()
    np.testing.assert_allclose(state[2].first['memory']['kernel'], (1e3 + 0.25) * start['memory']['kernel'])


def test_a_pattern_that_freezes_nothing_is_an_error():
    with pytest.raises(ValueError, match=r"'\^head' matches no parameter; there are backbone/kernel, classifier"):
        freeze(drawn(0), ('^head',))
