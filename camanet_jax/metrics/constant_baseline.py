"""Baselines without images: the best constant report, and train reports repeated word for word.

On IU X-Ray a single train report, given to every study, scores as high as many published systems, so that every score
table shows it.
"""

import collections
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from pycocoevalcap.bleu.bleu_scorer import precook

from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.metrics.nlg import ORDERS, corpus_bleu
from camanet_jax.metrics.protocol import CLEANED, compared_strings, full_string

VALIDATION_STUDIES = 500
_SEED = 0  # of their choice: the same for every run on a data set


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
) -> ConstantReport:
    """Selects, of all cleaned train reports, the one with the highest validation BLEU-4.

    Of equally good reports the most frequent is taken, then the first. Of more than 500 validation studies 500 are
    drawn, always the same.
    """
    if not train_reports or not validation_reports:
        raise ValueError(
            f'Expected train and validation reports, got {len(train_reports)} and '
            f'{len(validation_reports)}; the constant baseline is selected on them.'
        )
    candidates = _by_frequency(train_reports, tokenizer)
    references = _subsample(validation_reports)
    texts = (compared_strings('cut', reports, tokenizer, max_seq_length) for reports in (candidates, references))
    scores = bleu_4_of_constants(*texts)
    best = list(candidates)[int(scores.argmax())]
    return ConstantReport(best, candidates[best], float(scores.max()))


def bleu_4_of_constants(candidates: Sequence[str], references: Sequence[str]) -> Float[np.ndarray, ' candidates']:
    """Corpus BLEU-4 of each candidate as the report of every study; all texts are compared strings."""
    row_of, reference_counts, reference_lengths = _count_ngrams(references)
    statistics = []
    for candidate in candidates:
        length, counts = precook(candidate, ORDERS)
        shared = [ngram for ngram in counts if ngram in row_of]
        own_counts = np.array([counts[ngram] for ngram in shared], int)
        clipped = np.minimum(reference_counts[[row_of[ngram] for ngram in shared]], own_counts[:, None]).sum(axis=1)
        matched = np.bincount([len(ngram) - 1 for ngram in shared], weights=clipped, minlength=ORDERS)
        guessed = np.maximum(length - np.arange(ORDERS), 0) * len(references)
        statistics.append([*matched, *guessed, length * len(references), reference_lengths])
    return corpus_bleu(np.array(statistics))[:, ORDERS - 1]


def _by_frequency(reports: Sequence[str], tokenizer: Tokenizer) -> dict[str, int]:
    cleaned = collections.Counter()
    # Data sets with one row per image repeat a report: clean each distinct text once.
    for report, studies in collections.Counter(reports).items():
        cleaned[full_string(report, tokenizer)] += studies
    return dict(cleaned.most_common())


def _subsample(reports: Sequence[str]) -> Sequence[str]:
    if len(reports) <= VALIDATION_STUDIES:
        return reports
    generator = np.random.default_rng(_SEED)
    chosen = generator.choice(len(reports), VALIDATION_STUDIES, replace=False)
    return [reports[i] for i in sorted(chosen)]


def _count_ngrams(references: Sequence[str]) -> tuple[dict[tuple[str, ...], int], Int[np.ndarray, 'N B'], int]:
    """The rows of the references' N n-grams, how often each stands in each reference, and the references' length."""
    counted = [precook(reference, ORDERS) for reference in references]
    row_of: dict[tuple[str, ...], int] = {}
    for _, counts in counted:
        for ngram in counts:
            row_of.setdefault(ngram, len(row_of))
    table = np.zeros((len(row_of), len(references)), np.int32)
    for column, (_, counts) in enumerate(counted):
        for ngram, count in counts.items():
            table[row_of[ngram], column] = count
    return row_of, table, sum(length for length, _ in counted)


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
