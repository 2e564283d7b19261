"""Tables of scores.json's entries."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from camanet_jax.reporting.score_tables import split_tables, table

PRF = {'precision': 0.5, 'recall': 0.25, 'F1': 1 / 3}
AGREEMENT = {
    'micro': PRF,
    'macro': PRF,
    'weighted': PRF,
    'example': PRF,
    'per_class': {'Edema': PRF | {'support': 7}},
}
AVERAGES = {'macro': PRF, 'micro': PRF | {'F1': 0.25}, 'weighted': PRF, 'example': PRF}
CLINICAL = {
    'labeler': 'rules',
    'uncertain_negative': AGREEMENT,
    'conventions': {
        text: {f'uncertain_{policy}': dict.fromkeys(('13', '14', '5'), AVERAGES) for policy in ('negative', 'positive')}
        for text in ('full', 'cut')
    },
}
SCORES = {'BLEU_1': 0.1234, 'METEOR_nltk': 0.2}


@pytest.fixture
def entry():
    """With everything that can be there, but for labels of the images."""
    intervals = {'BLEU_1': [0.1, 0.2], 'METEOR_nltk': [0.15, 0.25]}
    return {
        'cut': SCORES,
        'full': SCORES,
        'studies': 3,
        'distinct_reports': 2,
        'classification': {},
        'intervals': {'cut': intervals, 'full': intervals, 'clinical': {'micro_F1': [0.3, 0.4]}},
        'clinical': CLINICAL,
        'constant_baseline': SCORES
        | {'clinical': CLINICAL}
        | {'difference': {'cut': {'BLEU_1': {'difference': -0.01, 'low': -0.02, 'high': 0.03}}}},
    }


def cells(html: str) -> dict[str, list[str]]:
    """The rows of every table by heading."""
    rows = ElementTree.fromstring(f'<div>{html}</div>').iter('tr')
    found = [[''.join(cell.itertext()) for cell in row] for row in rows]
    return {row[0]: row[1:] for row in found}


def test_scores_stand_with_their_intervals(entry):
    rows = cells(split_tables('test', entry))
    assert rows['this run, protocol cut'] == ['0.123 [0.100, 0.200]', '0.200 [0.150, 0.250]']
    assert rows['best constant report'] == ['0.123', '0.200']
    assert rows['above the constant report'] == ['−0.010 [−0.020, +0.030]', '–']
    assert rows['reports, micro'] == ['0.500', '0.250', '0.333 [0.300, 0.400]']
    assert rows['14, micro *, constant report'] == ['0.2500'] * 4
    assert next(row for row in rows if row[:2].isdigit()) == '13, macro, reports'
    assert rows['Edema'] == ['7', '0.500', '0.250', '0.333', '–', '–', '–']


def test_the_papers_numbers_stand_beside_under_their_own_names(entry):
    rows = cells(split_tables('test', entry))
    assert rows['paper, +VDMAE+VTAC, IU-Xray'] == ['0.504', '–']  # another METEOR than nltk's
    assert rows['paper, reports, micro, CAMANet, MIMIC-CXR'] == ['0.483', '0.323', '0.387']
    assert rows['paper, classifier, test, IU-Xray'] == ['0.800', '0.792', '–']


def test_baselines_and_classifier_are_shown_where_they_are(entry):
    del entry['constant_baseline']
    assert 'constant' not in split_tables('test', entry)
    entry['classification'] = AGREEMENT
    rows = cells(split_tables('test', entry))
    assert rows['classifier, macro'][2] == '0.333' and rows['Edema'][-1] == '0.333'


def test_texts_are_escaped_and_a_keyboard_can_scroll():
    html = table('A<B', ['x & y'], [('"row"', ['1'])], 'note')
    assert 'A&lt;B' in html and 'x &amp; y' in html and re.search(r'tabindex="0" aria-label="A&lt;B"', html)
