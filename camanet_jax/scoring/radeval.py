"""Pairs for RadEval, which computes RadGraph F1, BERTScore, RadCliQ and GREEN in an environment of its own, and its
scores back (third_party/radeval)."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from camanet_jax.metrics.bootstrap import bootstrap_interval, mean_statistics, resampling_weights
from camanet_jax.metrics.scorer import Scorer
from camanet_jax.run.files import read_json, write_json
from camanet_jax.scoring.studies import Studies, same_studies

IDS = 'ids'


def export_pairs(path: Path, studies: Studies, protocol: str, scorer: Scorer) -> None:
    """Writes RadEval's JSON layout, {"references": [..], "hypotheses": [..]}, with ids: the compared strings."""
    columns = {
        name: scorer.compared(protocol, [row[field] for row in studies.predictions], recase=name == 'hypotheses')
        for name, field in (('references', 'reference_full'), ('hypotheses', 'report'))
    }
    write_json(path, {IDS: studies.ids, 'protocol': protocol, **columns})


def read_scores(path: Path, ids: Sequence[str], protocol: str, resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    """{"scores": {name: {"value", "interval"}}, "notes": {name: text}} from what RadEval returned, written as JSON.

    A number is a score of the whole set and has no interval. A list, of `per_sample=True`, is a score per study, in the
    order of "ids" or else of the export; its value is the mean. Parts of a score, of `detailed=True`, get the names
    `whole/part`. Texts are notes, such as a version.

    Raises:
      ValueError: it is no such file, or its scores are of another protocol, of other studies or not finite.
    """
    content = _read(path)
    if (theirs := content.pop('protocol', protocol)) != protocol:
        raise ValueError(
            f'{path}: expected scores of the protocol {protocol}, got those of {theirs}; export under '
            f'{protocol}, or merge under {theirs}.'
        )
    theirs = content.pop(IDS, list(ids))
    same_studies(ids, theirs, 'the predictions', str(path))
    place = {study_id: i for i, study_id in enumerate(theirs)}
    order = [place[study_id] for study_id in ids]
    weights = resampling_weights(len(ids), resamples, seed)
    leaves = dict(_leaves(content))
    notes = {name: value for name, value in leaves.items() if isinstance(value, str)}
    return {
        'scores': {
            name: _score(path, name, value, order, weights) for name, value in leaves.items() if name not in notes
        },
        'notes': notes,
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except ValueError as error:
        raise ValueError(f'{path}: expected the scores that RadEval returned, as JSON ({error})') from error
    if not isinstance(content, dict):
        raise ValueError(f'{path}: expected an object of scores by name, got {type(content).__name__}')
    return content


def _leaves(scores: dict[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    for name, value in scores.items():
        if isinstance(value, dict):
            yield from _leaves(value, f'{prefix}{name}/')
        else:
            yield prefix + name, value


def _score(path: Path, name: str, value: Any, order: Sequence[int], weights: np.ndarray) -> dict[str, Any]:
    values = value if isinstance(value, list) else [value]
    if wrong := [
        each
        for each in values
        if isinstance(each, bool) or not isinstance(each, int | float) or not math.isfinite(each)
    ]:
        raise ValueError(
            f'{path}: expected finite numbers under {name}, got {wrong[0]!r} ({len(wrong)} of '
            f'{len(values)}); score those reports again, or leave {name} out.'
        )
    if not isinstance(value, list):
        return {'value': float(value)}
    if len(values) != len(order):
        raise ValueError(f'{path}: expected {len(order)} values under {name}, one per study, got {len(values)}.')
    statistics = mean_statistics(np.array(values)[order])
    return {'value': statistics.value(), 'interval': bootstrap_interval(statistics, weights)}
