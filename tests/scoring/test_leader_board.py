"""Several systems on the same studies, from the front door."""

import csv
import json
import re

import pytest
from small_reports import NORMAL, TEST

FORMS = ['.txt', '.md', '.tex', '.csv', '.html']
OTHERS = {
    'normal': dict.fromkeys(TEST, NORMAL),
    'worse_50%': {'a': 'Clear & <b>well</b>.', 'b': 'Small effusion.', 'c': 'Normal.'},
}


@pytest.fixture
def board(data, score, write, tmp_path):
    """Scores perfect reports beside the others, in every form; returns the JSON and the files by suffix."""
    others = [write(f'{name}.csv', reports) for name, reports in OTHERS.items()]
    files = {suffix: tmp_path / f'board{suffix}' for suffix in FORMS}
    options = ['--compare', *others, '--board', *files.values(), '--permutations', 200, '--max_seq_length', 60]
    found = score(write('x.csv', TEST), '--data', data, *options, '--threshold=1', protocol='full')
    return found['leader_board'], {suffix: path.read_text() for suffix, path in files.items()}


def test_every_system_and_the_constant_report_stand_in_a_row(board):
    systems = board[0]['systems']
    assert list(systems) == ['x', 'normal', 'worse_50%', 'constant report']
    assert [row['distinct_reports'] for row in systems.values()] == [3, 1, 3, 1]
    assert [row['copied_from_train'] for row in systems.values()] == [0, 1, 0, 1]
    assert systems['normal']['scores'] == systems['constant report']['scores'], 'it is the normal report'
    assert {'BLEU_4', 'CIDEr', 'micro_F1', 'findings_macro_F1'} <= systems['x']['scores'].keys()


def test_tests_are_of_all_systems_against_the_first_and_corrected(board):
    tests = board[0]['tests']
    scores = board[0]['systems']
    assert len(tests) == 3 * len(scores['x']['scores'])
    for test in tests:
        name = test['score']
        lead = scores[test['system']]['scores'][name] - scores['x']['scores'][name]
        assert test['difference'] == pytest.approx(lead)
        assert 1 / 201 <= test['permutation_p'] <= test['holm_p'] <= 1
    # Three studies: of eight ways to swap, two are as extreme as the perfect reports.
    assert all(test['permutation_p'] > 0.15 for test in tests)


def test_the_same_tables_in_every_form(board):
    found, texts = board
    value = f'{found["systems"]["normal"]["scores"]["BLEU_4"]:.4f}'
    for suffix, text in texts.items():
        assert value in text, suffix
        assert ('worse\\_50\\%' if suffix == '.tex' else 'worse_50%') in text
        assert 'copied from train' in text and 'Holm' in text
    assert texts['.tex'].count(r'\begin{tabular}') == 2 and r'\toprule' in texts['.tex']
    rows = list(csv.reader(texts['.csv'].splitlines()))
    assert rows[0][0] == 'system' and len(rows[1]) == len(rows[0])
    assert '| x ' in texts['.md'] and '|' not in texts['.txt']


def test_the_page_holds_all_reports_of_a_study_and_needs_nothing_from_outside(board):
    page = board[1]['.html']
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])
    assert data['ids'] == list('abc')
    reports = {system['name']: system['reports'][0] for system in data['systems']}
    assert reports['normal'] == 'the heart is normal in size . the lungs are clear .'
    assert set(reports) == {'x', 'normal', 'worse_50%', 'constant report'}
    assert all(len(system['scores']['BLEU_4']) == 3 for system in data['systems'])
    assert not re.search(r'(src|href)=|https?://', page)


def test_files_of_one_name_are_told_apart(data, score, write, tmp_path):
    (tmp_path / 'other').mkdir()
    second = write('other/x.csv', OTHERS['normal'])
    first = write('x.csv', TEST)
    found = score(first, '--data', data, '--compare', second, '--permutations', 20)
    assert list(found['leader_board']['systems']) == [str(first), str(second), 'constant report']


def test_without_data_the_missing_constant_is_said(score, write, capsys):
    first, second, references = (write(f'{name}.csv', TEST) for name in 'xyr')
    score(first, '--references', references, '--compare', second, '--permutations', 20, protocol='full')
    assert 'Without --data DIR there is no constant report here' in capsys.readouterr().out


def test_other_studies_and_other_names_are_refused(data, score, write, tmp_path):
    predictions = write('x.csv', TEST)
    with pytest.raises(SystemExit, match='1 is missing: c'):
        score(predictions, '--data', data, '--compare', write('y.csv', {'a': 'x', 'b': 'y'}))
    with pytest.raises(SystemExit, match=r'--board: expected a name in .txt, .md, .tex, .csv, .html, got .*board.doc'):
        score(predictions, '--data', data, '--board', tmp_path / 'board.doc')
