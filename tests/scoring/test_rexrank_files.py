"""ReXrank's files and scores, from the front door."""

import json
import math

import pytest
from small_reports import TEST

from camanet_jax.data.rexrank import prediction

SENTENCES = {'s-1': 'The heart is normal.', 's-2': 'Clear lungs.', 's-3': 'Small left effusion.'}


@pytest.fixture
def rexrank(tmp_path):
    """Writes a ReXrank file: s-2 has no impression, s-3 no findings, `none` neither; all have predictions."""

    def study(findings, impression, prediction):
        return {'section_findings': findings, 'section_impression': impression, 'model_prediction': prediction}

    path = tmp_path / 'predictions.json'
    studies = {
        's-1': study(SENTENCES['s-1'], 'Normal.', 'Findings: The heart is normal.  Impression: Normal.'),
        's-2': study(SENTENCES['s-2'], math.nan, 'Clear lungs.'),
        's-3': study(math.nan, SENTENCES['s-3'], 'findings: Nothing. impression: Small left effusion.'),
        'none': study(math.nan, ' ', 'Findings: Nothing.'),
    }
    path.write_text(json.dumps(studies))
    return path


def test_findings_are_compared_where_there_are_any(rexrank, score, capsys):
    found = score(rexrank, protocol='rexrank')
    assert (found['studies'], found['rexrank']['bleu_score']) == (2, 1)
    assert found['provenance']['left_out'] == 2 and found['provenance']['section'] == 'findings'
    assert 'left out, without the section that is compared: 2' in capsys.readouterr().out


def test_contexts_may_be_missing(rexrank, score, tmp_path):
    studies = json.loads(rexrank.read_text())
    studies['s-1']['context'] = math.nan
    studies['s-2']['context'] = 'Age:50-60.Gender:M.Indication: Pain. Comparison: None.'
    rexrank.write_text(json.dumps(studies))
    score(rexrank, '--export', tmp_path / 'pairs.json', protocol='rexrank')
    contexts = json.loads((tmp_path / 'pairs.json').read_text())['contexts']
    assert contexts == [None, {'Age': '50-60', 'Indication': 'Pain'}]


def test_both_sections_as_rexrank_writes_them(rexrank, score, tmp_path):
    pairs = tmp_path / 'pairs.json'
    assert score(rexrank, '--section=both', '--export', pairs, protocol='rexrank')['studies'] == 3
    assert json.loads(pairs.read_text())['references'] == [
        'Findings: The heart is normal. Impression: Normal.',
        'Findings: Clear lungs. Impression: None',
        'Findings: None Impression: Small left effusion.',
    ]


def test_another_file_against_rexranks_references(rexrank, score, write):
    found = score(write('x.csv', SENTENCES), '--references', rexrank, protocol='rexrank')
    assert found['studies'] == 2 and found['rexrank']['bleu_score'] == pytest.approx(1)


def test_a_missing_prediction_is_an_empty_report_and_counted(rexrank, score, capsys):
    studies = json.loads(rexrank.read_text())
    del studies['s-1']['model_prediction']
    rexrank.write_text(json.dumps(studies))
    found = score(rexrank, '--compare', rexrank, protocol='rexrank')
    assert (found['studies'], found['provenance']['empty_reports']) == (2, 1) and found['rexrank']['bleu_score'] < 1
    told = capsys.readouterr()
    assert 'empty reports 1' in told.out and 'no model_prediction in 1 study: s-1' in told.out + told.err
    del studies['s-2']['model_prediction']
    rexrank.write_text(json.dumps(studies))
    with pytest.raises(SystemExit, match='none in 2 rows: s-1; s-2'):
        score(rexrank, protocol='rexrank')


def test_another_json_is_no_rexrank_file(rexrank, score):
    rexrank.write_text('{"a": {"report": "x"}}')
    with pytest.raises(
        SystemExit, match='expected a ReXrank file, studies by id; got 1 problem: a: expected an object'
    ):
        score(rexrank, protocol='rexrank')


def test_numbers_for_ids_and_back(score, write, tmp_path, data):
    reports = dict(reversed(TEST.items()))  # the numbers follow the file, c b a
    folder, theirs = tmp_path / 'pairs', tmp_path / 'report_scores.csv'
    options = ['--data', data, '--labeler=none']
    score(write('x.csv', reports), *options, '--export', folder, protocol='rexrank')
    assert (folder / 'gt_reports.csv').read_text().splitlines()[:2] == ['study_id,report', f'0,{TEST["c"]}']
    columns = 'study_id,report,bertscore,semb_score,radgraph_combined,RadCliQ-v0'
    rows = ('2', 'a', '1,1,1,-2'), ('0', 'c', '0.5,0.5,0.5,4'), ('1', 'b', '1,1,1,0')
    theirs.write_text('\n'.join([columns, *(f'{number},"{TEST[name]}",{scores}' for number, name, scores in rows)]))
    per_study = tmp_path / 'by_study.csv'
    found = score(write('x.csv', reports), *options, '--merge', theirs, '--per_study', per_study, protocol='rexrank')
    scores = found['merged']['scores']
    assert scores['bertscore'] == {
        'value': pytest.approx(2.5 / 3),
        'interval': scores['bertscore']['interval'],
        'better': 'higher',
    }
    assert scores['RadCliQ-v0']['better'] == 'lower'
    # Two perfect studies and a mediocre one: the mean distance is negative, which has no inverse to rank by.
    assert scores['RadCliQ-v1']['value'] < 0 and 'refused' in scores['1/RadCliQ-v1']
    lines = [line.split(',') for line in per_study.read_text().splitlines()]
    assert [row[0] for row in lines] == ['id', 'a', 'b', 'c']
    place = lines[0].index('RadCliQ-v0')
    assert [float(row[place]) for row in lines[1:]] == [-2, 0, 4]


def test_ids_that_are_numbers_stay_what_they_are(score, write, tmp_path):
    reports = {'2': TEST['a'], '0': TEST['b'], '1': TEST['c']}
    references = '--references', write('references.csv', reports), '--labeler=none'
    folder, theirs, per_study = tmp_path / 'pairs', tmp_path / 'report_scores.csv', tmp_path / 'by_study.csv'
    score(write('x.csv', reports), *references, '--export', folder, protocol='rexrank')
    assert f'2,{TEST["a"]}' in (folder / 'gt_reports.csv').read_text().splitlines()
    theirs.write_text('Unnamed: 0,study_id,bertscore\n0,0,0.25\n1,1,0.5\n2,2,1\n')
    options = '--merge', theirs, '--per_study', per_study
    found = score(write('x.csv', reports), *references, *options, protocol='rexrank')['merged']
    assert found['scores'].keys() == {'bertscore'}
    lines = [line.split(',') for line in per_study.read_text().splitlines()]
    place = lines[0].index('bertscore')
    assert {row[0]: float(row[place]) for row in lines[1:]} == {'0': 0.25, '1': 0.5, '2': 1}


def test_scores_of_other_reports_are_refused(score, write, tmp_path):
    theirs = tmp_path / 'report_scores.csv'
    theirs.write_text('study_id,report,bertscore\n0,Another.,1\n')
    options = '--references', write('references.csv', {'a': 'Clear.'}), '--merge', theirs, '--labeler=none'
    with pytest.raises(SystemExit, match='another text for 1 study: a'):
        score(write('x.csv', {'a': 'Clear.'}), *options, protocol='rexrank')


@pytest.mark.parametrize(
    ('written', 'findings'),
    [
        ('Findings: Clear. Impression: Normal.', 'Clear.'),
        ('findings: clear . impression: normal .', 'clear .'),
        ('Findings: Heart big. Old impression: fracture. Impression: ok', 'Heart big. Old impression: fracture.'),
        ('Findings: None Impression: ok', ''),
        ('Impression: only this.', ''),
        ('Clear lungs.', 'Clear lungs.'),
        (None, None),
    ],
)
def test_the_findings_of_a_prediction(written, findings):
    assert prediction({'model_prediction': written}, 'findings') == findings


def test_the_published_system_in_one_command(shared_dir, score, capsys):
    folder = shared_dir / 'data/published_outputs/moerad'
    options = ['--references', folder / 'gts.csv', '--merge', folder / 'report_scores.csv', '--labeler=none']
    found = score(folder / 'preds.csv', *options, '--resamples', 20, protocol='rexrank')
    assert (found['studies'], found['distinct_reports']) == (590, 25)
    assert round(found['rexrank']['bleu_score'], 6) == 0.270432
    merged = {name: round(each['value'], 3) for name, each in found['merged']['scores'].items()}
    expected = {'bleu_score': 0.27, 'bertscore': 0.542, 'semb_score': 0.635, 'radgraph_combined': 0.34}
    assert expected.items() <= merged.items() and '' not in merged and merged['1/RadCliQ-v1'] == 2.0
    assert 'distinct reports 25' in capsys.readouterr().out
