"""Pairs for other programs (third_party/radeval), and their scores back."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from camanet_jax.data.schema import summarise
from camanet_jax.metrics import rexrank
from camanet_jax.metrics.bootstrap import StudyStatistics, bootstrap_interval, mean_statistics
from camanet_jax.metrics.scorer import Scorer
from camanet_jax.run.files import as_csv, read_csv, read_json, write_columns, write_json, write_text
from camanet_jax.scoring.studies import Studies, same_studies

SUFFIXES = ('.json', '.csv', '.parquet', '')  # of what is exported
IDS = 'ids'
DIGEST = 'texts_sha256'  # of what was exported: scores come back for those texts alone
REPORT = 'report'
NO_SCORES = ('', 'index', 'Unnamed: 0')  # columns of row numbers, as pandas writes them
NUMBERED = 'study_id'  # the column of ids of ReXrank's scorer, which are integers
INVERSE = '1/RadCliQ-v1'
# Names of RadCliQ-v1's parts, and of itself per study, in what CXR-Report-Metric and the bridge to RadEval write.
PART_NAMES = {'radgraph_combined': 'radgraph_radcliq', 'bertscore': 'bertscore_distilroberta'}
RADCLIQ_NAMES = ('RadCliQ-v1', 'radcliq_v1')
ERRORS = tuple(f'crimson_{kind}' for kind in ('false_findings', 'missing_findings', 'attribute_errors'))

PASSES = ('per_study/', 'set/')  # of the bridge: scores by study, and of the whole set under the same names


class OtherScores(NamedTuple):
    """Scores that another program computed, each by name.

    Attributes:
      per_study: [B], in the order of the studies. whole: of the whole set. notes: texts, such as a version.
    """

    per_study: dict[str, np.ndarray]
    whole: dict[str, float]
    notes: dict[str, str]


def export_pairs(path: Path, studies: Studies, protocol: str, scorer: Scorer) -> None:
    """Writes the compared strings in the format that the path's name asks for.

    x.json             for third_party/radeval: {"ids", "protocol", "references", "hypotheses"}, a digest of the texts,
                       and "contexts" (age and indication, or null) where a ReXrank file gives them
    x.csv, x.parquet   sample_id, reference, hypothesis
    a folder           gt_reports.csv and predicted_reports.csv of ReXrank's scorer: study_id, report. Its ids are
                       integers (`_numbered`), and `read_scores` maps them back.
    """
    ids, hypotheses = studies.ids, scorer.compared(protocol, studies.reports)
    references = scorer.compared(protocol, studies.whole_references, recase=False)
    if path.suffix in ('.csv', '.parquet'):
        write_columns(path, {'sample_id': ids, 'reference': references, 'hypothesis': hypotheses})
    elif path.suffix == '.json':
        contexts = {'contexts': [studies.contexts[study_id] for study_id in ids]} if studies.contexts else {}
        texts = {'references': references, 'hypotheses': hypotheses}
        digest = {DIGEST: _digest(references, hypotheses)}
        write_json(path, {IDS: ids, 'protocol': protocol, **digest, **texts, **contexts})
    else:
        for name, texts in (('gt', references), ('predicted', hypotheses)):
            by_id = dict(zip(ids, texts, strict=True))
            rows = ([number, by_id[study_id]] for number, study_id in _numbered(studies.order).items())
            write_text(path / f'{name}_reports.csv', as_csv([(NUMBERED, 'report'), *rows]))


def read_scores(path: Path, studies: Studies, protocol: str, scorer: Scorer) -> OtherScores:
    """Scores from what another program wrote: JSON of third_party/radeval, or the CSV of ReXrank's scorer.

    In JSON a number is a score of the whole set, and a list a score per study, in the order of "ids" or else of the
    export. Parts of a score get the names `whole/part`. Texts are notes.

    Raises:
      ValueError: it is no such file, or its scores are of another protocol, of other studies or texts, or not finite.
    """
    hypotheses = scorer.compared(protocol, studies.reports)
    references = scorer.compared(protocol, studies.whole_references, recase=False)
    content = _read_table(path, studies, hypotheses) if path.suffix == '.csv' else _read(path)
    if (theirs := content.pop('protocol', protocol)) != protocol:
        raise ValueError(
            f'{path}: expected scores of the protocol {protocol}, got those of {theirs}; export under '
            f'{protocol}, or merge under {theirs}.'
        )
    if content.pop(DIGEST, own := _digest(references, hypotheses)) != own:
        raise ValueError(
            f'{path}: expected scores of the texts that are scored here, got those of others (their {DIGEST} differs): '
            'another system, other references or other text rules. Export these, and score them again.'
        )
    theirs = content.pop(IDS, studies.ids)
    same_studies(studies.ids, theirs, 'the predictions', str(path))
    position = {study_id: i for i, study_id in enumerate(theirs)}
    order = [position[study_id] for study_id in studies.ids]
    merged = OtherScores({}, {}, {})
    for name, value in _leaves(content):
        for prefix in PASSES:
            name = name.removeprefix(prefix)
        if name.endswith('_std'):  # a deviation, in no direction better
            continue
        if isinstance(value, str):
            merged.notes[name] = value
        elif isinstance(value, list):
            merged.per_study[name] = _per_study(path, name, value, order)
        else:
            (merged.whole[name],) = _numbers(path, name, [value])
    return merged


def with_radcliq(scores: OtherScores, own: Mapping[str, np.ndarray]) -> OtherScores:
    """The scores with RadCliQ-v1 by study, where it is there or its parts are; `own` are scores computed here."""
    per_study = {**scores.per_study, **own}
    # RadEval's own "bertscore" is another model's: a part has its bare name in ReXrank's files alone.
    renamed = {} if rexrank.PARTS[0] in per_study else PART_NAMES
    parts = [per_study.get(renamed.get(name, name)) for name in rexrank.PARTS]
    if any(name in per_study for name in RADCLIQ_NAMES) or any(part is None for part in parts):
        return scores
    radcliq = {RADCLIQ_NAMES[0]: rexrank.radcliq_v1(np.stack(parts, axis=1))}
    return scores._replace(per_study=scores.per_study | radcliq)


def summary(merged: OtherScores, weights: np.ndarray) -> dict[str, dict[str, Any]]:
    """{"scores": {name: {"value", "interval", "better"}}, "set": {name: {"value", "better"}}, "notes": {name: text}}.

    `scores` are means over studies. RadCliQ-v1 adds its inverse mean, by which ReXrank ranks, or under `refused` why
    there is none; so does RadEval's radcliq_v1 of the set, which is that inverse.
    """
    scores: dict[str, dict[str, Any]] = {}
    for name, values in merged.per_study.items():
        scores[name] = _interval(mean_statistics(values), weights) | {'better': direction(name)}
        if name in RADCLIQ_NAMES:
            scores[INVERSE] = _inverse(values, weights) | {'better': 'higher'}
    whole = {name: {'value': value, 'better': direction(name, whole=True)} for name, value in merged.whole.items()}
    if (radcliq := whole.get(RADCLIQ_NAMES[1], {'value': 1}))['value'] <= 0:
        radcliq |= {'value': None, 'refused': f'{RADCLIQ_NAMES[1]} of the set is 1 over a mean that is not positive.'}
    return {'scores': scores, 'set': whole, 'notes': merged.notes}


def direction(name: str, *, whole: bool = False) -> str:
    """The direction in which a score is better. RadCliQ is a distance for a study, an inverse distance for a set."""
    part = name.lower().rsplit('/')[-1]
    return 'lower' if part.startswith(ERRORS) or (part.startswith('radcliq') and not whole) else 'higher'


def _digest(references: Sequence[str], hypotheses: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps([references, hypotheses]).encode()).hexdigest()


def _interval(statistics: StudyStatistics, weights: np.ndarray) -> dict[str, Any]:
    return {'value': statistics.value(), 'interval': bootstrap_interval(statistics, weights)}


def _inverse(per_study: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
    try:
        statistics = rexrank.inverse_mean(per_study)
    except ValueError as error:
        return {'refused': str(error)}
    if (mean_statistics(per_study).resampled(weights) <= 0).any():
        return {'value': statistics.value()}  # of a resample whose mean is not positive there is no inverse
    return _interval(statistics, weights)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except ValueError as error:
        raise ValueError(f'{path}: expected the scores that RadEval returned, as JSON ({error})') from error
    if not isinstance(content, dict):
        raise ValueError(f'{path}: expected an object of scores by name, got {type(content).__name__}')
    return content


def _read_table(path: Path, studies: Studies, reports: Sequence[str]) -> dict[str, Any]:
    """The columns of numbers of a CSV with study_id; its numbers are those of `export_pairs`, where ours are none."""
    header, rows = read_csv(path)
    cells = [row for _, row in rows]
    if NUMBERED not in header or any(len(row) != len(header) for row in cells):
        raise ValueError(f'{path}: expected a CSV with the column {NUMBERED} and cells for every name in its header')
    columns = dict(zip(header, zip(*cells, strict=True), strict=True))
    ids = list(columns.pop(NUMBERED))
    study_of = _numbered(studies.order)
    if set(ids) == study_of.keys():
        ids = [study_of[number] for number in ids]
    if REPORT in columns:
        _check_reports(path, studies, dict(zip(ids, columns[REPORT], strict=True)), reports)
    numbers = {name: _floats(column) for name, column in columns.items() if name not in NO_SCORES}
    return {IDS: ids} | {name: column for name, column in numbers.items() if column is not None}


def _numbered(order: Sequence[str]) -> dict[str, str]:
    """Studies by number: by their own ids where these are 0 to n - 1, else in the order of the predictions file."""
    numbers = [str(number) for number in range(len(order))]
    return dict(zip(numbers, numbers if set(numbers) == set(order) else order, strict=True))


def _check_reports(path: Path, studies: Studies, theirs: Mapping[str, str], reports: Sequence[str]) -> None:
    """Raises a ValueError where the file's own column of reports holds other texts than were scored here."""
    own = dict(zip(studies.ids, reports, strict=True))
    wrong = [name for name, text in theirs.items() if name in own and _plain(text) != _plain(own[name])]
    if wrong:
        raise ValueError(
            f'{path}: expected scores of the reports that are scored here, got those of others: its column {REPORT} '
            f'has another text for {summarise(wrong, "study", "studies")}. Export these reports, and score them again.'
        )


def _plain(text: str) -> str:
    return ' '.join(text.split()).casefold()


def _floats(cells: Sequence[str]) -> list[float] | None:
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return None


def _leaves(scores: dict[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    for name, value in scores.items():
        if isinstance(value, dict):
            yield from _leaves(value, f'{prefix}{name}/')
        else:
            yield prefix + name, value


def _per_study(path: Path, name: str, values: list[Any], order: Sequence[int]) -> np.ndarray:
    if len(values) != len(order):
        raise ValueError(f'{path}: expected {len(order)} values under {name}, one per study, got {len(values)}.')
    return np.array(_numbers(path, name, values), np.float64)[order]


def _numbers(path: Path, name: str, values: list[Any]) -> list[float]:
    if wrong := [
        each
        for each in values
        if isinstance(each, bool) or not isinstance(each, int | float) or not math.isfinite(each)
    ]:
        raise ValueError(
            f'{path}: expected finite numbers under {name}, got {wrong[0]!r} ({len(wrong)} of '
            f'{len(values)}); score those reports again, or leave {name} out.'
        )
    return list(map(float, values))
