"""Clinical efficacy under every convention, against counts by hand; and the texts that are labelled."""

import json

import pytest
from small_reports import TEST

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.labeling.label_files import write_label_csv

STUDIES = {study_id: 'The lungs are clear.' for study_id in 'abcd'}
TARGET = {
    'a': {'Pleural Effusion': 1},
    'b': {'No Finding': 1},
    'c': {'Edema': -1, 'Fracture': 1},
    'd': {'Pleural Effusion': 1, 'Edema': -1},
}
PREDICTED = {
    'a': {'Pleural Effusion': -1},
    'b': {'No Finding': 1},
    'c': {'Edema': 1},
    'd': {'Pleural Effusion': 1, 'Fracture': 1},
}
# Uncertain as negative. Effusion: d found, a missed. No Finding: b found. Fracture: c missed, d wrong. Edema: c wrong.
# Uncertain as positive. Effusion: a, d found. No Finding: b. Edema: c found, d missed. Fracture: c missed, d wrong.
BY_HAND = {
    ('uncertain_negative', '14', 'micro'): 4 / (4 + 2 + 2),
    ('uncertain_negative', '14', 'macro'): (2 / 3 + 1) / 14,
    ('uncertain_negative', '14', 'weighted'): (2 * 2 / 3 + 1 * 1 + 1 * 0) / 4,
    ('uncertain_negative', '14', 'example'): (0 + 1 + 0 + 2 / 3) / 4,
    ('uncertain_negative', '13', 'micro'): 2 / (2 + 2 + 2),
    ('uncertain_negative', '13', 'macro'): (2 / 3) / 13,
    ('uncertain_negative', '13', 'weighted'): (2 * 2 / 3 + 1 * 0) / 3,
    ('uncertain_negative', '13', 'example'): (0 + 0 + 0 + 2 / 3) / 4,
    ('uncertain_negative', '5', 'micro'): 2 / (2 + 1 + 1),
    ('uncertain_negative', '5', 'macro'): (2 / 3) / 5,
    ('uncertain_negative', '5', 'weighted'): 2 / 3,
    ('uncertain_negative', '5', 'example'): 1 / 4,
    ('uncertain_positive', '14', 'micro'): 8 / (8 + 1 + 2),
    ('uncertain_positive', '14', 'macro'): (1 + 1 + 2 / 3) / 14,
    ('uncertain_positive', '14', 'weighted'): (2 * 1 + 1 * 1 + 2 * 2 / 3 + 1 * 0) / 6,
    ('uncertain_positive', '14', 'example'): (1 + 1 + 2 / 3 + 1 / 2) / 4,
    ('uncertain_positive', '13', 'micro'): 6 / (6 + 1 + 2),
    ('uncertain_positive', '13', 'macro'): (1 + 2 / 3) / 13,
    ('uncertain_positive', '13', 'weighted'): (2 * 1 + 2 * 2 / 3 + 1 * 0) / 5,
    ('uncertain_positive', '13', 'example'): (1 + 0 + 2 / 3 + 1 / 2) / 4,
    ('uncertain_positive', '5', 'micro'): 6 / (6 + 0 + 1),
    ('uncertain_positive', '5', 'macro'): (1 + 2 / 3) / 5,
    ('uncertain_positive', '5', 'weighted'): (2 * 1 + 2 * 2 / 3) / 4,
    ('uncertain_positive', '5', 'example'): (1 + 0 + 1 + 2 / 3) / 4,
}


def f1(conventions):
    """F1 of one labelled text by policy, class set and average."""
    return {
        (policy, classes, average): scores['F1']
        for policy, sets in conventions.items()
        for classes, averages in sets.items()
        for average, scores in averages.items()
    }


def test_label_files_against_a_count_by_hand(score, write, tmp_path, capsys):
    for name, labels in (('target', TARGET), ('predicted', PREDICTED)):
        rows = {study: [row.get(each, -2) for each in OBSERVATIONS] for study, row in labels.items()}
        write_label_csv(tmp_path / f'{name}.csv', rows)
    options = ['--labels', tmp_path / 'target.csv', '--predicted_labels', tmp_path / 'predicted.csv']
    found = score(write('x.csv', STUDIES), '--references', write('r.csv', STUDIES), *options, protocol='full')
    assert list(found['clinical']['conventions']) == ['given']
    assert f1(found['clinical']['conventions']['given']) == pytest.approx(BY_HAND)
    assert found['clinical']['uncertain_negative']['micro']['F1'] == 0.5
    table = [line.split('|')[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith('| 1')]
    assert [cell.strip() for cell in table[0]] == ['13', 'macro', 'reports', '0.0513', '0.1282']
    assert [cell.strip() for cell in table[5]] == ['14', 'micro *', 'reports', '0.5000', '0.7273']


def test_what_a_report_leaves_uncertain_counts_still(score, write, tmp_path):
    """Ignored are the references' uncertain observations, Edema of c and d; not a's effusion, which is missed."""
    for name, labels in (('target', TARGET), ('predicted', PREDICTED)):
        rows = {study: [row.get(each, -2) for each in OBSERVATIONS] for study, row in labels.items()}
        write_label_csv(tmp_path / f'{name}.csv', rows)
    options = ['--labels', tmp_path / 'target.csv', '--predicted_labels', tmp_path / 'predicted.csv']
    options += ['--references', write('r.csv', STUDIES), '--uncertain=ignore']
    found = score(write('x.csv', STUDIES), *options, protocol='full')['clinical']['uncertain_ignore']
    assert (
        found['micro']['F1'] == pytest.approx(4 / (4 + 1 + 2))
        and found['per_class']['Pleural Effusion']['support'] == 2
    )


@pytest.mark.parametrize('report', ['', ' ', '.', '???'])
def test_who_writes_no_word_has_not_written_no_finding(score, write, report):
    found = score(write('x.csv', {'a': report}), '--references', write('r.csv', {'a': 'Clear lungs.'}), protocol='full')
    assert found['clinical']['uncertain_negative']['micro']['F1'] == 0
    assert found['provenance']['empty_reports'] == (not report.strip())


LONG = {
    'a': 'The heart is normal. The lungs are clear. There is a small left pleural effusion.',
    'b': 'The heart is enlarged.',
}


def test_texts_that_are_labelled(data, score, write, tmp_path):
    references = write('r.csv', LONG)
    found = score(write('x.csv', LONG), '--references', references, '--data', data, '--max_seq_length', 12)
    five = {
        text: scores['uncertain_negative']['5']['micro'] for text, scores in found['clinical']['conventions'].items()
    }
    assert five['full'] == five['raw'] == {'precision': 1, 'recall': 1, 'F1': 1}
    assert five['cut']['F1'] == 0, 'cut off with the end of the report, and <unk> for a rare word'
    found = score(write('x.csv', LONG), '--references', references, protocol='full')
    assert list(found['clinical']['conventions']) == ['full', 'raw'], 'without train there is no vocabulary to cut by'
    rows = [{'id': name, 'report': text, 'reference_full': text.lower()} for name, text in LONG.items()]
    (tmp_path / 'run.jsonl').write_text('\n'.join(map(json.dumps, rows)))
    found = score(tmp_path / 'run.jsonl', '--data', data)
    assert list(found['clinical']['conventions']) == ['full', 'cut'], 'the references are cleaned: nothing is raw'


def test_the_constant_report_stands_beside(data, score, write):
    found = score(write('x.csv', TEST), '--data', data)
    texts = found['constant_baseline']['clinical']['conventions']
    assert list(texts) == list(found['clinical']['conventions']) == ['full', 'cut', 'raw']
    # "The lungs are clear" is No Finding of b alone; nothing else is ever found.
    assert texts['raw']['uncertain_negative']['14']['micro']['F1'] == pytest.approx(2 / (2 + 2 + 2))
    assert texts['raw']['uncertain_negative']['13']['macro']['F1'] == 0
