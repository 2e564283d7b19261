"""Values of a model folder paired with the rule each key is compared by."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from camanet_jax.lab.parity.reference_weights import projections
from camanet_jax.lab.parity.report import Arrays, Check
from camanet_jax.lab.parity.rules import BEAM_SCORES, RUNNING_STATISTICS, Close, Identical, Tolerances, own_value

Checks = dict[str, list[Check]]


class SameNames(Identical):
    """The same names, each once, in any order."""

    def __call__(self, actual, reference):
        return super().__call__(sorted(actual), sorted(reference.tolist()))


class SameChoices(Identical):
    """The same integers in every row, in any order: of near ties either may come first."""

    def __call__(self, actual, reference):
        return super().__call__(np.sort(actual), np.sort(reference))

    def distance(self, actual, moved, reference):
        return super().distance(np.sort(actual), np.sort(moved), reference)


def forward_checks(values: Mapping[str, Any], tolerances: Tolerances) -> Checks:
    """Selections and choices must be identical, the rest close to the array's largest value."""
    rules = {'b': Identical(), 'i': SameChoices(tolerances.choices)}
    return {
        key: [Check(value, rules.get(np.asarray(value).dtype.kind, Close(tolerances.forward)))]
        for key, value in values.items()
    }


def gradient_checks(arrays: Arrays, gradients: Mapping[str, Any], tolerances: Tolerances) -> Checks:
    """Every parameter is named once, with the norm and projection of its gradient."""
    rows = projection_checks(
        arrays['grad_names'].tolist(),
        gradients,
        tolerances.gradient_norm,
        tolerances.gradient_projection,
        tolerances.floor,
    )
    return {'grad_names': [Check(list(gradients), SameNames())], 'grad_norm_proj': rows}


def projection_checks(names: list[str], values: Mapping[str, Any], norm: float, projection: float, floor: float):
    """Norms and projections [names, 2], both relative to the reference's norms."""

    def column(index: int, tolerance: float, part: str) -> Check:
        rule = Close(tolerance, lambda rows: rows[:, 0], floor, lambda rows: rows[:, index], names)
        return Check(actual, rule, part)

    actual = projections(names, values)
    return [column(0, norm, 'norms'), column(1, projection, 'projections')]


def search_checks(index: int, reports: Any, scores: Close = BEAM_SCORES) -> Checks:
    """One search case: the best report's ids, and the scores of all N."""
    return {
        f'search{index}/ids': [Check(reports.tokens[:, 0], Identical())],
        f'search{index}/scores': [Check(reports.scores, scores)],
    }


def statistics_checks(arrays: Arrays, statistics: Mapping[str, np.ndarray]) -> Checks:
    """BatchNorm's running mean and variance after one step, of every layer that the file names and of the first."""
    layers = {key.removeprefix('step1/').rpartition('.')[0] for key in arrays if key.startswith('step1/')} | {'norm0'}
    names = [f'{layer}.{kind}' for layer in sorted(layers) for kind in ('running_mean', 'running_var')]
    rule = Close(RUNNING_STATISTICS)
    return {f'step1/{name}': [Check(statistics[name], rule)] for name in names if name in statistics}


def training_checks(arrays: Arrays, rows: np.ndarray, updates: Mapping[str, Any], tolerances: Tolerances) -> Checks:
    """Losses [steps, 4] of the training steps, and all updates after them."""

    def steps(which: slice, tolerance: float, scale: Callable, part: str) -> Check:
        return Check(rows, Close(tolerance, lambda r: scale(r[which]), part=lambda r: r[which]), part)

    trajectory = [
        steps(slice(1), tolerances.forward, own_value, 'step 1'),
        steps(slice(1, 2), tolerances.second_step, tolerances.second_step_scale, 'step 2'),
        steps(slice(2, None), tolerances.later_steps, own_value, f'steps 3 to {len(rows)}'),
    ]
    moved = projection_checks(
        arrays['grad_names'].tolist(), updates, tolerances.update_norm, tolerances.update_projection, tolerances.floor
    )
    together = Close(tolerances.update_total, total_norm, part=total_norm)
    return {'trajectory': trajectory, 'update_norm_proj': [Check(moved[0].actual, together, 'total norm'), *moved]}


def total_norm(rows: np.ndarray) -> np.ndarray:
    """The norm of all parameters together, from rows of norms and projections."""
    return np.linalg.norm(rows[:, 0])
