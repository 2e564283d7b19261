"""Baselines without images: the best constant report, and train reports repeated word for word.

On IU X-Ray a single train report, given to every study, scores as high as many published systems, so that every score
table shows it.
"""

import collections
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from pycocoevalcap.bleu.bleu_scorer import precook

from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.metrics.nlg import ORDERS, corpus_bleu
from camanet_jax.metrics.protocol import CLEANED, compared_strings, full_string

CANDIDATES = 200
VALIDATION_STUDIES = 500


class ConstantReport(NamedTuple):
    """The selected report."""

    report: str  # cleaned
    train_studies: int  # with exactly this text
    validation_bleu_4: float  # under `cut` on the (subsampled) validation split; the criterion of selection


def select_constant_report(
    train_reports: Sequence[str],
    validation_reports: Sequence[str],
    tokenizer: Tokenizer,
    max_seq_length: int,
    seed: int = 0,
) -> ConstantReport:
    """Selects, of the 200 most frequent cleaned train reports, the one with the highest validation BLEU-4.

    Equally frequent reports rank by their first appearance. More than 500 validation studies are subsampled to 500 by
    `seed`.
    """
    if not train_reports or not validation_reports:
        raise ValueError(
            f'Expected train and validation reports, got {len(train_reports)} and '
            f'{len(validation_reports)}; the constant baseline is selected on them.'
        )
    candidates = _most_frequent(train_reports, tokenizer)
    references = _subsample(validation_reports, seed)
    texts = (compared_strings('cut', reports, tokenizer, max_seq_length) for reports in (candidates, references))
    scores = bleu_4_of_constants(*texts)
    best = list(candidates)[int(scores.argmax())]
    return ConstantReport(best, candidates[best], float(scores.max()))


def bleu_4_of_constants(candidates: Sequence[str], references: Sequence[str]) -> Float[np.ndarray, ' candidates']:
    """Corpus BLEU-4 of each candidate as the report of every study; all texts are compared strings."""
    counted = [precook(text, ORDERS) for text in candidates]
    column = {}
    for _, counts in counted:
        for ngram in counts:
            column.setdefault(ngram, len(column))
    reference_counts, reference_lengths = _count_columns(references, column)
    rows = []
    for length, counts in counted:
        columns = [column[ngram] for ngram in counts]
        clipped = np.minimum(reference_counts[:, columns], list(counts.values())).sum(axis=0)
        orders = [len(ngram) - 1 for ngram in counts]
        matched = np.bincount(orders, weights=clipped, minlength=ORDERS)
        guessed = np.maximum(length - np.arange(ORDERS), 0) * len(references)
        rows.append([*matched, *guessed, length * len(references), reference_lengths])
    return corpus_bleu(np.array(rows))[:, ORDERS - 1]


def _most_frequent(reports: Sequence[str], tokenizer: Tokenizer) -> dict[str, int]:
    cleaned = collections.Counter()
    # Data sets with one row per image repeat a report: clean each distinct text once.
    for report, studies in collections.Counter(reports).items():
        cleaned[full_string(report, tokenizer)] += studies
    return dict(cleaned.most_common(CANDIDATES))


def _subsample(reports: Sequence[str], seed: int) -> Sequence[str]:
    if len(reports) <= VALIDATION_STUDIES:
        return reports
    generator = np.random.default_rng(seed)
    chosen = generator.choice(len(reports), VALIDATION_STUDIES, replace=False)
    return [reports[i] for i in sorted(chosen)]


def _count_columns(references: Sequence[str], column: dict[tuple[str, ...], int]) -> tuple[np.ndarray, int]:
    """The counts of the n-grams of `column` in each reference, and the references' total length."""
    table = np.zeros((len(references), len(column)), np.int32)
    total_length = 0
    for row, reference in zip(table, references, strict=True):
        length, counts = precook(reference, ORDERS)
        total_length += length
        for ngram in counts.keys() & column.keys():
            row[column[ngram]] = counts[ngram]
    return table, total_length


TrainTexts = dict[str, frozenset[str]]  # protocol -> the distinct compared strings of the train reports


def train_texts(
    reports: Iterable[str], tokenizer: Tokenizer, max_seq_length: int, protocols: Sequence[str] = CLEANED
) -> TrainTexts:
    """The distinct texts of the train split, for `copied_share`."""
    distinct = set(reports)  # data sets with one row per image repeat a report
    return {name: frozenset(compared_strings(name, distinct, tokenizer, max_seq_length)) for name in protocols}


def copied_share(
    reports: Sequence[str], train: TrainTexts, tokenizer: Tokenizer, max_seq_length: int
) -> dict[str, float]:
    """By protocol, the share of reports whose compared string is that of a train report.

    A system with the train split's vocabulary and cut can copy long reports, and those with rare words, only under
    `cut`.
    """
    shares = {}
    for protocol, known in train.items():
        compared = compared_strings(protocol, reports, tokenizer, max_seq_length)
        shares[protocol] = sum(text in known for text in compared) / len(compared)
    return shares
