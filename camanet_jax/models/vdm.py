"""Class activation maps and the visual discriminative map d^v (VDM; paper section III-B.1, equations 8 and 9).

B studies, P visual tokens, C backbone channels, Y observations.
"""

from typing import Literal

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float

from camanet_jax.models.layers import EXACT

VdmNorm = Literal['class', 'map']
SMALLEST_RANGE = 1e-12


def min_max(maps: Float[Array, '... P'], there: Bool[Array, '... P'] | None = None) -> Float[Array, '... P']:
    """Subtracts the minimum and divides by the new maximum, at least 1e-12: a flat map becomes 0 (equations 8, 14).

    `there` is True for tokens of films that the study has, by default all; values of the others become 0.
    """
    if there is None:
        maps = maps - maps.min(-1, keepdims=True)
    else:
        maps = jnp.where(there, maps - jnp.where(there, maps, jnp.inf).min(-1, keepdims=True), 0)
    return maps / jnp.maximum(maps.max(-1, keepdims=True), SMALLEST_RANGE)


def class_activation_maps(tokens: Float[Array, 'B P C'], kernel: Float[Array, 'C Y']) -> Float[Array, 'B Y P']:
    """ReLU(tokens . W_c), without the classifier's bias: m^i of equation 8."""
    return nn.relu(jnp.einsum('bpc,cy->byp', tokens, kernel, precision=EXACT))


def layercam(tokens: Float[Array, 'B P C'], kernel: Float[Array, 'C Y']) -> Float[Array, 'B Y P']:
    """LayerCAM (Jiang et al., TIP 2021): each channel weighted by its positive gradient, token by token.

    The classifier is linear in the mean token: the gradient of logit y at every token is kernel[:, y] / P.
    """
    gradient = kernel / tokens.shape[1]
    return nn.relu(jnp.einsum('bpc,cy->byp', tokens, nn.relu(gradient), precision=EXACT))


def visual_discriminative_map(
    cams: Float[Array, 'B Y P'],
    present: Bool[Array, 'B Y'],
    norm: VdmNorm = 'class',
    there: Bool[Array, 'B P'] | None = None,
) -> Float[Array, 'B P']:
    """d^v: the largest activation over the present classes, in [0, 1]; 0 where no class is present (equation 9).

    `norm='class'` (paper) scales every class's map to [0, 1] before the maximum, `'map'` (official) scales once after.
    """
    if norm == 'class':
        cams = min_max(cams, None if there is None else there[:, None])
    strongest = jnp.where(present[..., None], cams, 0).max(1)
    return min_max(strongest, there) if norm == 'map' else strongest
