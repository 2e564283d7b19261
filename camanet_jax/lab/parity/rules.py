"""Rules by which a value is compared with its reference, and their tolerances in float32 and float64."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np


class Outcome(NamedTuple):
    """Largest absolute and relative error, and whether the value passes; `note` names the worst row."""

    absolute: float
    relative: float
    ok: bool
    note: str = ''


class Distance(NamedTuple):
    """The largest relative difference of two of our own values, and the largest absolute one within the floor."""

    relative: float
    floored: float = 0.0


def whole(array: np.ndarray) -> np.ndarray:
    """All of the array."""
    return array


def largest_value(reference: np.ndarray) -> np.ndarray:
    """One scale for an array: its largest magnitude, NaN left out (1 where it is all zero)."""
    return np.asarray(np.nanmax(np.abs(reference)) or 1.0)


def own_value(reference: np.ndarray) -> np.ndarray:
    """Each element's own magnitude as its scale."""
    return np.abs(reference)


def unit(reference: np.ndarray) -> np.ndarray:
    """Absolute errors count as they are."""
    return np.ones(())


@dataclass(frozen=True)
class Close:
    """|value - reference| <= max(tolerance * scale, floor) everywhere.

    Attributes:
      tolerance: of the relative error.
      scale: what the error is relative to, from the reference.
      floor: absolute error that is always allowed.
      part: which part of the array is compared.
      row_names: to say in which row the largest error is.
    """

    tolerance: float
    scale: Callable[[np.ndarray], np.ndarray] = largest_value
    floor: float = 0.0
    part: Callable[[np.ndarray], np.ndarray] = whole
    row_names: Sequence[str] = ()

    def __call__(self, actual: Any, reference: Any) -> Outcome:
        actual, reference = np.asarray(actual, np.float64), np.asarray(reference, np.float64)
        if actual.shape != reference.shape:
            return Outcome(np.inf, np.inf, False, f'expected shape {actual.shape}, the file has {reference.shape}')
        error, relative = self.errors(actual, reference, reference)
        if not np.isfinite(error).all():
            return Outcome(np.inf, np.inf, False, 'not finite')
        allowed = np.maximum(self.tolerance * self.scale(reference), self.floor)
        note = f'largest at {self.row_names[int(np.argmax(relative))]}' if len(self.row_names) else ''
        return Outcome(float(error.max()), float(relative.max()), bool((error <= allowed).all()), note)

    def errors(self, one: np.ndarray, other: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Absolute and relative differences; the latter are 0 within the floor, where the scale may be almost zero."""
        error = np.abs(self.part(one) - self.part(other))
        scale = np.maximum(self.scale(reference), np.finfo(float).tiny)
        return error, np.where(error <= self.floor, 0, error / scale)

    def distance(self, actual: Any, moved: Any, reference: Any) -> Distance:
        """The distance between two of our own values."""
        error, relative = self.errors(*(np.asarray(x, np.float64) for x in (actual, moved, reference)))
        return Distance(float(relative.max()), float(error[error <= self.floor].max(initial=0)))

    def limited(self, allowed: Distance, least: float) -> 'Close':
        """The rule with another limit: `allowed`, never less than `least` or the floor."""
        return replace(self, tolerance=max(allowed.relative, least), floor=max(allowed.floored, self.floor))


@dataclass(frozen=True)
class Identical:
    """Equal in every element, but for a share `tolerance` of an array's; and in shape or structure."""

    tolerance: float = 0.0

    def __call__(self, actual: Any, reference: Any) -> Outcome:
        if not isinstance(reference, np.ndarray):
            equal = actual == reference
            error = 0.0 if equal else np.inf
            return Outcome(error, error, equal, first_difference(actual, reference))
        actual = np.asarray(actual)
        if actual.shape != reference.shape:
            return Outcome(np.inf, np.inf, False, f'expected shape {actual.shape}, the file has {reference.shape}')
        wrong = int((actual != reference).sum())
        note = f'{wrong} of {reference.size} elements differ' if wrong else ''
        share = wrong / max(reference.size, 1)
        return Outcome(float(wrong), share, share <= self.tolerance, note)

    def distance(self, actual: Any, moved: Any, reference: Any) -> Distance:
        """The share of elements in which two of our own values differ."""
        del reference
        return Distance(float(np.mean(np.asarray(actual) != np.asarray(moved))))

    def limited(self, allowed: Distance, least: float) -> 'Identical':
        """The rule with another limit; a choice has no last place, so `least` is none."""
        del least
        return replace(self, tolerance=allowed.relative)


def first_difference(actual: Any, reference: Any) -> str:
    """The path of keys at which two nested structures of dicts and lists first differ; never the contents."""
    if actual == reference:
        return ''
    if isinstance(actual, dict) and isinstance(reference, dict):
        if odd := sorted(actual.keys() ^ reference.keys()):
            return f'/{odd[0]} is only on one side'
        key = next(key for key in actual if actual[key] != reference[key])
        return f'/{key}{first_difference(actual[key], reference[key])}'
    if isinstance(actual, list) and isinstance(reference, list) and len(actual) == len(reference):
        index = next(i for i, pair in enumerate(zip(actual, reference, strict=True)) if pair[0] != pair[1])
        return f'/{index}{first_difference(actual[index], reference[index])}'
    return ' differs'


class Tolerances(NamedTuple):
    """Relative tolerances of one precision.

    Float32 cannot pin training. Against float64 the backbone's first training gradients differ by about 1% (some ReLU
    inputs lie within rounding of zero), and Adam's first update keeps little more than signs. Measured on IU X-Ray:
    cross-entropy at step 2 is off by 1.3e-4, by 0.9e-4 to 1.7e-4 when the studies of the batch are reordered; the VTAC
    loss of the reference itself moves by 4e-3 between its precisions. So step 2 is judged to 1e-3 of the largest loss,
    and later steps and updates only bound gross errors. Float64 judges all of it to 1e-7. Gradients in float32: moving
    the weights by one unit in the last place moves norms by 1.1e-4 and projections by 3.9e-4 (MIMIC-CXR's reference).

    Attributes:
      forward: of activations, relative to the array's largest value, and of losses, each relative to itself.
      gradient_norm, gradient_projection: relative to the norm of each parameter's gradient.
      floor: absolute error allowed in gradients, for parameters that have no true one (attention key biases).
      second_step: of the losses after one update, relative to `second_step_scale`.
      later_steps: of the losses after that, each relative to itself.
      update_total: of the norm of all updates together.
      update_norm, update_projection: of what training changed, relative to the norm of each parameter's update.
      choices: the share of chosen entries (the largest of many scores) that may differ, as near ties do.
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
    choices: float


SINGLE = Tolerances(1e-4, 2e-3, 1e-2, 1e-6, 1e-3, largest_value, 0.4, 1e-2, 0.3, 2.5, 1e-3)
DOUBLE = Tolerances(1e-7, 1e-7, 1e-7, 1e-12, 1e-7, own_value, *[1e-7] * 4, 0.0)
RUNNING_STATISTICS = 1e-5
BEAM_SCORES = Close(1e-2, unit)  # absolute, in nats
