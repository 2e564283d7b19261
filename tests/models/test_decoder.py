import jax
import jax.numpy as jnp
import numpy as np
from numpy_oracles import decoder, encoder, layer_norm, mcln
from quick_modules import draw_variables

from camanet_jax.models.decoder import MCLN, Decoder
from camanet_jax.models.layers import LayerNorm


def test_mcln_is_the_oracles(double):
    rng = np.random.default_rng(0)
    x, memory = rng.normal(size=(2, 4, 8)), rng.normal(size=(2, 4, 24))
    module = MCLN(8, jnp.float64, jnp.float64)
    variables = draw_variables(module, x, memory)
    expected = mcln(variables['params'], x, memory)
    np.testing.assert_allclose(module.apply(variables, x, memory), expected, rtol=1e-10)


def test_mcln_starts_with_biases_of_a_tenth(double):
    params = MCLN(8, jnp.float64, jnp.float64).init(jax.random.key(0), jnp.ones((1, 8)), jnp.ones((1, 24)))['params']
    assert (params['mlp_beta']['inner']['bias'] == 0.1).all() and (params['mlp_gamma']['outer']['bias'] == 0.1).all()


def test_layer_norm_divides_by_the_unbiased_deviation_plus_epsilon(double):
    x = np.random.default_rng(0).normal(size=(3, 8)) * 1e-5  # small enough for epsilon to show
    module = LayerNorm(jnp.float64, jnp.float64)
    variables = draw_variables(module, x)
    np.testing.assert_allclose(module.apply(variables, x), layer_norm(**variables['params'], x=x), rtol=1e-10)


def test_a_constant_row_has_finite_gradients(double):
    module = LayerNorm(jnp.float64, jnp.float64)
    variables = module.init(jax.random.key(0), jnp.zeros((1, 8)))
    gradient = jax.grad(lambda x: module.apply(variables, x)[0, 0])(jnp.zeros((1, 8)))
    assert np.isfinite(gradient).all()


def test_the_decoder_is_the_oracles(tiny, output):
    valid = (tiny.batch['tokens'][:, :-1] > 0) | (np.arange(7) == 0)
    for b in range(3):
        decoded, attention = decoder(
            tiny.variables['params']['decoder'],
            tiny.model.heads,
            np.asarray(output.embedded[b]),
            np.asarray(output.relational_memory[b]),
            np.asarray(output.encoding.encoded[b, 1:]),
            valid[b],
        )
        np.testing.assert_allclose(output.decoded[b], decoded, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(output.cross_attention[b], attention, rtol=1e-9)


def test_the_encoder_is_the_oracles(tiny, output):
    for projected, encoded in zip(output.encoding.projected, output.encoding.encoded, strict=True):
        expected = encoder(tiny.variables['params']['encoder'], tiny.model.heads, np.asarray(projected))
        np.testing.assert_allclose(encoded, expected, rtol=1e-9, atol=1e-11)


def test_the_map_biases_the_last_layer_by_its_logarithm_and_not_at_the_start():
    decoder = Decoder(width=4, feed_forward=4, heads=2, layers=2, dropout=0.0, map_bias=True)
    encoded, visual_map = jnp.ones((1, 3, 4)), jnp.array([[0.0, 0.09, 0.99]])
    variables = decoder.init(jax.random.key(0), encoded, visual_map, method='cross_projections')
    first, last = decoder.apply(variables, encoded, visual_map, method='cross_projections')
    assert len(first) == 2 and last[2].shape == (1, 2, 1, 3) and not last[2].any()
    variables['params']['map_gain'] = jnp.array([1.0, -3.0])
    bias = decoder.apply(variables, encoded, visual_map, method='cross_projections')[-1][2]
    np.testing.assert_allclose(bias[0, :, 0], np.log([0.01, 0.1, 1]) * [[1.0], [-3.0]], rtol=1e-5, atol=1e-6)
