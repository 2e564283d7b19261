"""How close values must come in float32 and in float64."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from camanet_jax.parity.rules import largest_value, own_value


class Tolerances(NamedTuple):
    """Relative tolerances of one precision.

    In float32 about a hundred of the backbone's 10^8 ReLU inputs lie within rounding of zero and fall on either side.
    That moves the backbone's training gradients by about 1%, and Adam's first updates keep little more than signs: the
    losses at step 2 scatter by about 1e-4 of the largest, which reordering the studies of the batch does too, and later
    steps and updates only bound gross errors. In float64 nothing of this happens.

    Attributes:
      forward: of activations, relative to the array's largest value, and of losses, each relative to itself.
      gradient_norm, gradient_projection: relative to the norm of each parameter's gradient.
      floor: absolute error allowed in gradients, for parameters that have no true one (attention key biases).
      second_step: of the losses after one update, relative to `second_step_scale`.
      later_steps: of the losses after that, each relative to itself.
      update_total: of the norm of all updates together.
      update_norm, update_projection: of what training changed, relative to the norm of each parameter's update.
    """

    forward: float
    gradient_norm: float
    gradient_projection: float
    floor: float
    second_step: float
    second_step_scale: Callable[[np.ndarray], np.ndarray]
    later_steps: float
    update_total: float
    update_norm: float
    update_projection: float


SINGLE = Tolerances(1e-4, 1e-3, 1e-2, 1e-6, 1e-3, largest_value, 0.4, 1e-2, 0.3, 2.5)
DOUBLE = Tolerances(1e-7, 1e-7, 1e-7, 1e-12, 1e-7, own_value, *[1e-7] * 4)
RUNNING_STATISTICS = 1e-5
BEAM_SCORE = 1e-2  # absolute, in nats
