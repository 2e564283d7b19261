"""The command, from its front door."""

import csv
import json

import pytest
from small_reports import NORMAL, TEST

from camanet_jax.metrics.meteor import shared_meteor

PUBLISHED = {
    'BLEU_1': 0.473413,
    'BLEU_2': 0.303623,
    'BLEU_3': 0.223991,
    'BLEU_4': 0.175243,
    'METEOR': 0.199906,
    'ROUGE_L': 0.376114,
    'CIDEr': 0.694108,
}
REPORTS = {'a': NORMAL, 'b': 'The lungs are clear.', 'c': 'No disease.'}


def test_published_reports_give_the_published_scores(shared_dir, score, with_java):
    data = shared_dir / 'data/iu_xray'
    found = score(
        shared_dir / 'data/published_reports/iu_xray_test_590.csv', '--data', data, '--labeler=none', '--resamples', 20
    )
    expected = PUBLISHED if shared_meteor() else {k: v for k, v in PUBLISHED.items() if k != 'METEOR'}
    assert {name: round(value, 6) for name, value in found['cut'].items()} == expected
    assert (found['studies'], found['distinct_reports'], found['copied_from_train']) == (590, 4, {'cut': 1})
    assert found['constant_baseline']['BLEU_4'] == pytest.approx(0.172144, abs=1e-6)
    assert found['provenance']['text_rules'] == {
        'cleaner': 'iu_xray',
        'threshold': 3,
        'vocabulary': 760,
        'max_seq_length': 60,
    }


def test_intervals_are_over_patients_where_they_are_known(data, score, write, tmp_path, capsys):
    rows = [{'id': name, 'report': report, 'reference': 'Clear.'} for name, report in REPORTS.items()]
    for number, row in enumerate(rows):
        row['subject_id'] = number // 2
    (tmp_path / 'x.jsonl').write_text('\n'.join(map(json.dumps, rows)))
    assert score(tmp_path / 'x.jsonl', protocol='full')['patients'] == 2
    assert 'studies 3, patients 2 (intervals are over these)' in capsys.readouterr().out
    annotation = json.loads((data / 'annotation.json').read_text())
    for entry, folder in zip(annotation['test'], ('p10000000', 'p10000000', 'p10000001'), strict=True):
        entry['image_path'] = [f'p10/{folder}/s1/x.jpg']
    (data / 'annotation.json').write_text(json.dumps(annotation))
    reports = write('x.csv', REPORTS)
    assert score(reports, '--data', data, '--compare', write('y.csv', REPORTS))['patients'] == 2
    assert 'patients' not in score(reports, '--references', write('r.csv', REPORTS), protocol='full')


def test_copies_distinct_reports_and_the_constant(data, score, write, capsys):
    found = score(write('x.csv', REPORTS), '--data', data)
    assert found['distinct_reports'] == 3
    assert found['copied_from_train'] == {'cut': pytest.approx(1 / 3)}  # the normal one
    assert found['constant_baseline']['train_studies'] == 2
    assert found['constant_baseline']['validation_BLEU_4'] == pytest.approx(1)
    assert found['provenance']['split'] == 'test'
    printed = capsys.readouterr().out
    assert 'studies 3, distinct reports 3, copied from train 33.3%' in printed
    assert 'split test, protocol cut (cleaner iu_xray, threshold 3' in printed
    assert 'METEOR is left out' in printed and 'not known; jax' in printed


def without_file(found):
    """All but what names the file."""
    del found['provenance']['predictions']
    return found


def test_order_line_ends_and_byte_order_mark_change_nothing(data, score, write, tmp_path):
    expected = without_file(score(write('x.csv', REPORTS), '--data', data))
    rows = dict(reversed(REPORTS.items()))
    assert without_file(score(write('x.jsonl', rows), '--data', data)) == expected
    with open(tmp_path / 'y.csv', 'w', encoding='utf-8-sig', newline='') as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([('report', 'other', 'id'), *((report, '', study_id) for study_id, report in rows.items())])
    assert without_file(score(tmp_path / 'y.csv', '--data', data)) == expected


def test_empty_reports_score_zero(data, score, write):
    found = score(write('x.csv', dict.fromkeys(TEST, '')), '--data', data)
    assert set(found['cut'].values()) == {0} and found['distinct_reports'] == 1
    clinical = found['clinical']['uncertain_negative']
    assert clinical['micro']['F1'] == 0  # not even No Finding is claimed
    assert clinical['per_class']['Pleural Effusion']['support'] == 1


def test_long_and_foreign_texts_are_scored(data, score, write):
    reports = TEST | {'a': 'the lungs are clear . ' * 2000, 'b': 'größe normal . 心影正常 \u2028'}
    for protocol in ('cut', 'full'):
        found = score(write('x.csv', reports), '--data', data, protocol=protocol)
        assert 0 < found[protocol]['BLEU_1'] < 1


def test_the_protocol_decides(data, score, write):
    short = {'--threshold': 1, '--max_seq_length': 5}
    options = [part for pair in short.items() for part in pair]
    beginnings = {study_id: ' '.join(report.split()[:4]) for study_id, report in TEST.items()}
    cut = score(write('x.csv', beginnings), '--data', data, *options)
    full = score(write('x.csv', beginnings), '--data', data, *options, protocol='full')
    assert cut['cut']['BLEU_1'] == pytest.approx(1) and full['full']['BLEU_1'] < 0.9
    assert 'full' not in cut and 'cut' not in full
    assert full['constant_baseline']['full'].keys() == full['full'].keys()


def test_references_in_files_need_no_data(score, write, tmp_path):
    own = tmp_path / 'own.jsonl'
    own.write_text(
        ''.join(
            json.dumps({'id': k, 'report': v, 'reference': 'cut', 'reference_full': TEST[k]}) + '\n'
            for k, v in REPORTS.items()
        )
    )
    expected = score(own, protocol='full')
    assert expected['full']['BLEU_1'] < 1 and 'constant_baseline' not in expected
    found = score(write('x.csv', REPORTS), '--references', write('r.csv', TEST), protocol='full')
    assert found['full'] == expected['full'] and found['intervals'] == expected['intervals']


def test_comparison_is_paired_by_id(data, score, write, capsys):
    other = write('y.csv', dict(reversed(TEST.items())))
    found = score(write('x.csv', REPORTS), '--data', data, '--compare', other)
    own = score(other, '--data', data)
    board = found['leader_board']
    assert list(board['systems']) == ['x', 'y', 'constant report'] and board['files']['y']['file'] == str(other)
    tests = {test['score']: test for test in board['tests'] if test['system'] == 'y'}
    assert tests['BLEU_1']['difference'] == pytest.approx(own['cut']['BLEU_1'] - found['cut']['BLEU_1'])
    assert tests['ROUGE_L']['low'] >= 0 < tests['ROUGE_L']['p_value']
    assert tests['micro_F1']['difference'] > 0
    assert board['systems']['y']['scores']['BLEU_1'] == pytest.approx(own['cut']['BLEU_1'])
    assert board['systems']['constant report']['scores']['CIDEr'] == found['constant_baseline']['CIDEr']
    assert '| minus x' in capsys.readouterr().out


@pytest.mark.parametrize(
    'name, text, message',
    [
        ('x.csv', 'id,report\na,x\nb,y\n', r'expected the 3 studies of .*, got 2. 1 is missing: c. A study for which'),
        ('x.csv', 'id,report\na,x\nb,y\nc,z\nd,z\n', '1 is unknown: d'),
        ('x.csv', 'id,report\nq,x\n', 'expected the studies that were predicted, got none'),
        ('x.csv', 'id,report\na,x\na,y\n', 'line 3 repeats id a'),
    ],
)
def test_other_studies_are_refused(data, score, tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(SystemExit, match=message):
        score(tmp_path / name, '--data', data)


def test_what_is_missing_is_said(score, write, data):
    reports = write('x.csv', REPORTS)
    with pytest.raises(SystemExit, match='cut needs the train vocabulary'):
        score(reports)
    with pytest.raises(SystemExit, match='holds no references'):
        score(reports, protocol='full')
    with pytest.raises(SystemExit, match='no such file; --data takes a folder with annotation.json'):
        score(reports, '--data', data / 'nowhere')
    with pytest.raises(SystemExit, match='needs --weights'):
        score(reports, '--data', data, '--labeler=chexbert')
    for output in (reports, data / 'annotation.json'):
        with pytest.raises(SystemExit, match='is read and written'):
            score(reports, '--data', data, '--board', output)
    with pytest.raises(SystemExit, match='written twice'):
        score(reports, '--data', data, '--export', 'x.json', '--per_study', 'x.json')
    with pytest.raises(SystemExit, match='y.txt: expected a name that ends in .json'):
        score(reports, '--data', data, '--export', 'y.txt')
    with pytest.raises(SystemExit, match='at least one permutation and one resample, got 0 and 1000'):
        score(reports, '--data', data, '--permutations=0')


WRITTEN = {'a': 'A 1.5 cm nodule, in the left lung. PICC line.', 'b': 'Clear.'}
CLEANED = {'a': 'a 15 cm nodule in the left lung . picc line .', 'b': 'clear .'}


def test_raw_compares_texts_as_written(score, write, data, tmp_path):
    references, pairs = write('r.csv', WRITTEN), tmp_path / 'pairs.json'
    found = score(write('x.csv', WRITTEN), '--references', references, '--export', pairs, protocol='raw')
    assert found['raw']['BLEU_4'] == pytest.approx(1) and found['cleaning']['raw'] == {'cleaner': None}
    assert json.loads(pairs.read_text())['references'] == list(WRITTEN.values())
    lower = score(write('y.csv', CLEANED), '--references', references, protocol='raw')
    options = ['--references', references, '--data', data, '--recase', '--export', pairs]
    recased = score(write('y.csv', CLEANED), *options, protocol='raw')
    assert lower['raw']['BLEU_1'] < recased['raw']['BLEU_1'] < 1
    assert json.loads(pairs.read_text())['hypotheses'] == ['A 15 cm nodule in the left lung. Picc line.', 'Clear.']
    assert 'sentence capitals' in recased['cleaning']['raw']['reports_recased']
    assert {'cut', 'full', 'raw'} == recased['cleaning'].keys() and 'rules_sha256' in recased['cleaning']['full']


def test_raw_wants_references_as_written(score, write, data, tmp_path):
    rows = [{'id': name, 'report': text, 'reference_full': text.lower()} for name, text in TEST.items()]
    path = tmp_path / 'run.jsonl'
    path.write_text('\n'.join(map(json.dumps, rows)))
    with pytest.raises(SystemExit, match='holds cleaned references; the protocol raw needs them as written'):
        score(path, protocol='raw')
    assert score(path, '--data', data, protocol='raw')['raw']['BLEU_1'] == pytest.approx(1)
    path.write_text('\n'.join(json.dumps(row | {'reference_raw': row['report']}) for row in rows))
    assert score(path, protocol='raw')['provenance']['references'] == str(path)
    with pytest.raises(SystemExit, match='--recase is for the protocols that compare texts as written, got full'):
        score(path, '--recase', protocol='full')
