"""Warnings about data on which a long training would be wasted: labels, splits, vocabulary, length of reports."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from camanet_jax.data.schema import Study, patient_of, summarise
from camanet_jax.data.sources import Source
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.preparation.film_index import FILMS
from camanet_jax.run.files import read_json_lines

LOG = logging.getLogger(__name__)

LOST_TOKENS = 0.05  # a larger share of words outside the vocabulary is worth a warning
SAMPLED = 10_000  # reports whose words are counted, at equal distances


def warn_of_data(splits: Sequence[Source], tokenizer: Tokenizer, max_seq_length: int) -> None:
    """Logs a warning for each thing in the data that looks wrong; train is the first of the splits."""
    for fault in (*label_faults(splits[0].studies), *shared_between(splits)):
        LOG.warning('%s', fault)
    lost, cut = text_shares(splits[0].reports, tokenizer, max_seq_length)
    note = f'{lost:.1%} of the words of train are outside the vocabulary, {cut:.1%} of its reports are cut'
    if lost > LOST_TOKENS:
        note += '; lower --config.data.threshold, or check that the reports are in one language and spelling'
    LOG.log(
        logging.WARNING if lost > LOST_TOKENS else logging.INFO, '%s (data.max_seq_length=%d)', note, max_seq_length
    )


def label_faults(studies: Sequence[Study]) -> Iterator[str]:
    """Yields what is odd about the labels: none positive, none to be counted."""
    rows = [study.labels for study in studies if study.labels]
    values = set(itertools.chain.from_iterable(rows))
    if rows and 1 not in values:
        yield 'No study of train has a positive label: the classifier and the maps of classes will learn nothing.'
    if rows and len(rows) < 0.5 * len(studies):
        yield f'{len(studies) - len(rows)} of {len(studies)} studies of train have no label that counts.'


def shared_between(splits: Sequence[Source]) -> Iterator[str]:
    """Yields what two splits share: patients, as far as paths name them, and films, by content or else by name."""
    index = Path(splits[0].prepared_dir) / FILMS
    content = {line['film']: line['sha256'] for line in read_json_lines(index)} if index.exists() else {}
    for one, other in itertools.combinations(splits, 2):
        names = f'{one.studies[0].split} and {other.studies[0].split}'
        films, patients = ({}, {}), ({}, {})
        for side, source in enumerate((one, other)):
            for study in source.studies:
                for path in study.image_paths:
                    films[side][content.get(path, path)] = study.id
                if patient := patient_of({'image_path': study.image_paths}):
                    patients[side][patient] = study.id
        for what, (left, right) in (('films', films), ('patients', patients)):
            if shared := [f'{left[key]} and {right[key]}' for key in left if key in right]:
                studies = summarise(shared, 'pair of studies', 'pairs of studies')
                yield f'{names} share {what}, so that scores say less than they seem to: {studies}'


def text_shares(reports: Sequence[str], tokenizer: Tokenizer, max_seq_length: int) -> tuple[float, float]:
    """The shares of words outside the vocabulary, and of reports that are cut."""
    known, lost, words, cut = set(tokenizer.words), 0, 0, 0
    sample = reports[:: -(-len(reports) // SAMPLED)]
    for report in sample:
        text = tokenizer.clean(report).split()
        words += len(text)
        lost += sum(word not in known for word in text)
        cut += len(text) > max_seq_length - 2  # between the two boundaries
    return lost / max(words, 1), cut / len(sample)
