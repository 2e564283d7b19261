"""Data on which a training would be wasted are warned of."""

import logging

import pytest

from camanet_jax.data.schema import Study
from camanet_jax.data.sources import Source
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.preparation.sanity import label_faults, shared_between, text_shares, warn_of_data
from camanet_jax.run.files import write_json_lines

NEGATIVE = (0,) * 14


def study(name, split='train', labels=NEGATIVE, path='a.png', report='Lungs are clear.'):
    """A study of one film."""
    return Study(name, split, report, labels, (path,))


def source(folder, *studies):
    """A split."""
    return Source(None, studies, str(folder))


@pytest.mark.parametrize(
    ('labels', 'says'),
    [
        ([NEGATIVE, (-1, *NEGATIVE[1:])], 'no study of train has a positive label'),
        ([None, None, (1, *NEGATIVE[1:])], '2 of 3 studies of train have no label'),
        ([NEGATIVE, (1, *NEGATIVE[1:])], ''),
        ([None], ''),
    ],
)
def test_labels_of_which_nothing_can_be_learned(labels, says):
    faults = list(label_faults([study(str(number), labels=row) for number, row in enumerate(labels)]))
    assert [says in fault.lower() for fault in faults] == ([True] if says else [])


def test_films_and_patients_of_two_splits(tmp_path):
    train = source(tmp_path, study('a', path='p10/p10000001/s1/x.jpg'), study('b', path='00000007_001.png'))
    val = source(tmp_path, study('c', 'val', path='p10/p10000001/s2/y.jpg'))
    test = source(
        tmp_path, study('d', 'test', path='p10/p10000002/s3/z.jpg'), study('e', 'test', path='00000007_002.png')
    )
    assert [fault.split(',')[0] for fault in shared_between([train, val, test])] == [
        'train and val share patients',
        'train and test share patients',
    ]
    lines = [
        {'film': path, 'sha256': path[-5]}
        for each in (train, val, test)
        for s in each.studies
        for path in s.image_paths
    ]
    lines[-1]['sha256'] = 'y'  # another name for val's film
    write_json_lines(tmp_path / 'films.jsonl', lines)
    assert 'val and test share films, so that scores say less than they seem to: 1 pair of studies: c and e' in list(
        shared_between([train, val, test])
    )


def test_words_that_are_lost_and_reports_that_are_cut(tmp_path, caplog):
    tokenizer = Tokenizer(('.', '<unk>', 'are', 'clear', 'lungs'), 'iu_xray')
    reports = ['Lungs are clear.', 'Lungs are ohne Befund.']
    assert text_shares(reports, tokenizer, 6) == (2 / 9, 1 / 2)
    with caplog.at_level(logging.INFO):
        warn_of_data([source(tmp_path, study('a', report='Lungs are clear.'))], tokenizer, 6)
        warn_of_data([source(tmp_path, study('a', labels=None, report=reports[1]))], tokenizer, 6)
    levels = [
        (record.levelname, record.getMessage()[:4]) for record in caplog.records if 'vocabulary' in record.message
    ]
    assert levels == [('INFO', '0.0%'), ('WARNING', '40.0')]
