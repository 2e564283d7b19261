"""The method by which values are computed and judged, and limits from conditioning.

Two correct programs differ by the rounding of every operation, amplified by what follows. A weight moved by one unit in
the last place changes the roundings too, and they are amplified in the same way. So a value's limit is a small multiple
of how far it moves with such weights, and never below a few units of the format. How far is a matter of chance: it is
the farthest of several draws of up and down.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from camanet_jax.lab.parity.rules import Distance

# The unit in the last place of 1. In the last two, matrix products round their inputs; the rest is float32.
DOUBLE_UNIT = 2.0**-52
UNITS = {'float32': 2.0**-23, 'tensorfloat32': 2.0**-10, 'bfloat16': 2.0**-7}
MULTIPLE = 16
FEWEST_UNITS = 64
DRAWS = 3
RULE = f'limit: {MULTIPLE} times the own movement (of {DRAWS}), at least {FEWEST_UNITS} units of the format'


class Method(NamedTuple):
    """The method by which values are computed and judged.

    Attributes:
      x64: everything is computed in double precision.
      precision: of matrix products otherwise, a key of `UNITS`.
      conditioning: limits come from the program's own movement.
      config: the configuration that makes the network of a relative; None for the recipe that its reference names.
    """

    x64: bool = False
    precision: str = 'float32'
    conditioning: bool = False
    config: Path | None = None

    @property
    def dtype(self) -> str:
        """The type of the computation."""
        return 'float64' if self.x64 else 'float32'

    def unit(self, double: bool) -> float | None:
        """The unit that weights are moved by, for values that were computed in `double` precision or in float32.

        None: they are not moved, and limits are fixed. A movement in double precision would lack the rounding that
        values in float32 have of their own.
        """
        if not self.conditioning or (self.x64 and not double):
            return None
        return DOUBLE_UNIT if self.x64 else UNITS[self.precision]


FLOAT32 = Method()


class Movement(NamedTuple):
    """The checks of one file, computed again from each draw of weights that were moved by `unit`."""

    draws: Sequence[Mapping[str, list[Any]]]
    unit: float

    def limit(self, key: str, index: int, check: Any, reference: np.ndarray) -> tuple[Any, float]:
        """The check with a limit from conditioning, and how far its value moved."""
        distances = [check.rule.distance(check.actual, draw[key][index].actual, reference) for draw in self.draws]
        farthest = np.max(distances, axis=0)
        allowed = Distance(*(MULTIPLE * farthest).tolist())
        return check._replace(rule=check.rule.limited(allowed, FEWEST_UNITS * self.unit)), float(farthest[0])


def movements(
    method: Method, files: Sequence[str], compute: Callable[[float, int], Mapping[str, Mapping[str, list[Any]]]]
) -> dict[str, Movement]:
    """The movement of each file that has a unit; of `files` the first holds values in float32, the others in double.

    `compute(unit, draw)` gives the checks of all files at once, and is asked once for each draw.
    """
    units = {file: unit for i, file in enumerate(files) if (unit := method.unit(double=i > 0))}
    moved = {unit: [compute(unit, draw) for draw in range(DRAWS)] for unit in set(units.values())}
    return {file: Movement([draw[file] for draw in moved[unit]], unit) for file, unit in units.items()}


def move(weights: Mapping[str, np.ndarray], unit: float, draw: int = 0) -> dict[str, np.ndarray]:
    """Weights of which each is moved up or down, by chance, by its last place in a format with this `unit`."""
    return {name: moved(array, unit, zlib.crc32(name.encode(), draw)) for name, array in weights.items()}


def moved(array: np.ndarray, unit: float, seed: int) -> np.ndarray:
    """One array of them, in double precision; zeros stay."""
    exact = np.asarray(array, np.float64)
    step = np.where(exact == 0, 0, np.ldexp(unit, np.frexp(exact)[1] - 1))
    return exact + np.where(np.random.default_rng(seed).random(exact.shape) < 0.5, step, -step)
