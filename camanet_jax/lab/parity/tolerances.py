"""How close values must come in float32 and in float64."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from camanet_jax.lab.parity.rules import largest_value, own_value


class Tolerances(NamedTuple):
    """Relative tolerances of one precision.

    Float32 cannot pin training. Against float64 the backbone's first training gradients differ by about 1% (some ReLU
    inputs lie within rounding of zero), and Adam's first update keeps little more than signs. Measured on IU X-Ray:
    cross-entropy at step 2 is off by 1.3e-4, by 0.9e-4 to 1.7e-4 when the studies of the batch are reordered; the VTAC
    loss of the reference itself moves by 4e-3 between its precisions. So step 2 is judged to 1e-3 of the largest loss,
    and later steps and updates only bound gross errors. Float64 judges all of it to 1e-7.

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
