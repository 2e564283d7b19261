"""All scores of one split's predictions: what `scores.json` holds.

A prediction is a dict {"id", "report", "reference_full"}, with "reference_raw" where the reference is known as it was
written, and "patient" where it is known whose study it is. Every protocol starts from the reference as written, or else
from the whole one. Intervals are over patients where any is known.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from camanet_jax.data.schema import summarise
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.metrics import bootstrap
from camanet_jax.metrics.bootstrap import PairedDifference
from camanet_jax.metrics.constant_baseline import ConstantReport, TrainTexts, copied_share
from camanet_jax.metrics.protocol import CLEANED, cleaning_facts
from camanet_jax.metrics.scorer import ReportLabels, Scorer, SetScores


def check_predictions(predictions: Sequence[Mapping[str, str]]) -> None:
    """Raises one ValueError that names everything wrong with the rows of a predictions file."""
    if not predictions:
        raise ValueError('Expected at least one prediction, got none.')
    faults, seen = [], set()
    for number, row in enumerate(predictions):
        study_id = row.get('id')
        if not isinstance(study_id, str) or not study_id:
            faults.append(f'row {number} has no id')
        elif study_id in seen:
            faults.append(f'row {number} repeats id {study_id}')
        seen.add(study_id)
        if not isinstance(row.get('report'), str):
            faults.append(f'row {number} ({study_id}) has no report text (an empty one is "")')
        reference = row.get('reference_full')
        if not isinstance(reference, str) or not reference.strip():
            faults.append(f'row {number} ({study_id}) has no reference_full')
    if faults:
        got = summarise(faults, 'fault', 'faults')
        raise ValueError(f'Expected rows of id (each once), report and reference_full; got {got}.')


def in_order(predictions: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The rows by id, since the bootstrap draws by position: the order of a file must not change an interval."""
    return sorted(predictions, key=lambda row: row['id'])


def patients_of(predictions: Sequence[Mapping[str, str]]) -> list[str]:
    """The patient of each study; one whose patient is not known stands alone."""
    return [row.get('patient') or f'of {row["id"]}' for row in predictions]


class Labels(NamedTuple):
    """Given labels of the reports and of the references, in the order of the predictions; None: to be read off."""

    predicted: ReportLabels | None = None
    target: ReportLabels | None = None


NO_LABELS = Labels()


def score_predictions(
    predictions: Sequence[Mapping[str, str]],
    tokenizer: Tokenizer,
    max_seq_length: int,
    *,
    constant: ConstantReport | None = None,
    train: TrainTexts | None = None,
    labels: Labels = NO_LABELS,
    control: Sequence[str] | None = None,
    resamples: int = bootstrap.RESAMPLES,
    seed: int = 0,
    **settings,
) -> dict:
    """The entry of one split in `scores.json`; `settings` are the further fields of `Scorer`.

    Args:
        labels: of reports and references, where they are not to be read off them.
        control: the same reports, shuffled among the studies. The entry's `shuffled_images` tells by `difference` how
            much the predictions score above them: by group ("cut", "full", "clinical") and score, with `low`, `high`
            and `p_value` of the paired bootstrap.
    """
    scorer = Scorer(tokenizer, max_seq_length, **{'texts': labelled_texts(predictions), **settings})
    own, baseline = score_sets(predictions, scorer, constant, labels)
    weights = bootstrap.patient_weights(patients_of(predictions), resamples, seed)
    entry = split_entry(predictions, scorer, own, weights, constant=constant, baseline=baseline, train=train)
    if control is not None:
        _, references = _texts(predictions)
        # Only the default text's labels are compared.
        shuffled = dataclasses.replace(scorer, texts=()).score(control, references, target=labels.target)
        entry['shuffled_images'] = {'difference': _differences(own, shuffled, weights)}
    return entry


def labelled_texts(predictions: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """The forms of the texts that can be labelled: as written, too, where the references are known so."""
    return (*CLEANED, 'raw') if all('reference_raw' in row for row in predictions) else CLEANED


def score_sets(
    predictions: Sequence[Mapping[str, str]], scorer: Scorer, constant: ConstantReport | None, labels: Labels
) -> tuple[SetScores, SetScores | None]:
    """Scores of the predictions, and of the constant report on the same studies."""
    check_predictions(predictions)
    reports, references = _texts(predictions)
    own = scorer.score(reports, references, **labels._asdict())
    if constant is None:
        return own, None
    return own, scorer.score([constant.report] * len(references), references, target=labels.target)


def split_entry(
    predictions: Sequence[Mapping[str, str]],
    scorer: Scorer,
    scores: SetScores,
    weights: Int[np.ndarray, 'resamples B'],
    *,
    constant: ConstantReport | None = None,
    baseline: SetScores | None = None,
    train: TrainTexts | None = None,
) -> dict:
    """The scores of a split, as `scores.json` holds them.

    Returns:
        `cut` and `full`, or other protocols (language scores by name), `cleaning` (what was done to the texts under
        each protocol, and a digest of the rules), `clinical`, `distinct_reports`, `studies`, `patients` (their number,
        where any is known), `intervals` (95%, over patients or else studies, grouped as the scores), given train texts
        `copied_from_train` (the share by protocol) and, given the constant report, `constant_baseline`: its scores
        under `cut` at the top level, `full`, `clinical`, and `difference`, the predictions' minus its own with interval
        and p-value.
    """
    reports, _ = _texts(predictions)
    entry = {
        **{name: nlg.corpus for name, nlg in scores.nlg.items()},
        'cleaning': {
            name: cleaning_facts(name, scorer.tokenizer, scorer.max_seq_length, scorer.recaser)
            for name in dict.fromkeys((*scorer.protocols, *scorer.texts))
        },
        'clinical': scores.clinical,
        'distinct_reports': scorer.distinct(reports),
        'studies': len(predictions),
        **({'patients': len(set(patients_of(predictions)))} if any(row.get('patient') for row in predictions) else {}),
        'intervals': {
            group: {name: bootstrap.bootstrap_interval(each, weights) for name, each in statistics.items()}
            for group, statistics in scores.statistics.items()
        },
    }
    if train is not None:
        entry['copied_from_train'] = copied_share(reports, train, scorer.tokenizer, scorer.max_seq_length)
    if constant is not None:
        entry['constant_baseline'] = _constant_entry(constant, baseline) | {
            'difference': _differences(scores, baseline, weights)
        }
    return entry


def _texts(predictions: Sequence[Mapping[str, str]]) -> tuple[list[str], list[str]]:
    """Reports and whole references."""
    references = [row.get('reference_raw', row['reference_full']) for row in predictions]
    return [row['report'] for row in predictions], references


def _constant_entry(constant: ConstantReport, scores: SetScores) -> dict:
    corpora = {name: nlg.corpus for name, nlg in scores.nlg.items()}
    return {
        **corpora.pop('cut', {}),
        **corpora,
        'clinical': scores.clinical,
        'train_studies': constant.train_studies,
        'validation_BLEU_4': constant.validation_bleu_4,
    }


def _differences(
    system: SetScores, baseline: SetScores, weights: Int[np.ndarray, 'resamples B']
) -> dict[str, dict[str, dict[str, float]]]:
    def difference(group: str, name: str) -> PairedDifference:
        pair = (scores.statistics[group][name] for scores in (system, baseline))
        return bootstrap.paired_bootstrap(*pair, weights)

    return {
        group: {name: difference(group, name)._asdict() for name in statistics}
        for group, statistics in system.statistics.items()
        if group in baseline.statistics
    }
