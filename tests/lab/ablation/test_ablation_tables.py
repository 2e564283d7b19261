"""Tables of runs written by hand: every number can be worked out on paper."""

import csv
import io
import math

import pytest
from hand_made import REFERENCES, write_grid, write_predictions, write_run

from camanet_jax.lab.ablation import alignment_tables, endpoints, language_tables, other_tables, page
from camanet_jax.lab.ablation.k_sweep import draw_sweep, sweep, sweep_table
from camanet_jax.lab.ablation.results import RunResult, read_results
from camanet_jax.lab.ablation.tables import HERE, Value, mean_value
from camanet_jax.metrics import nlg

HERE_NAME = 'ablation (synthetic)'
NORMAL = REFERENCES[1]
PROBABILITIES = [[0.9, 0.1] + [0.0] * 12, [0.9, 0.6] + [0.0] * 12, [0.0] * 14, [0.2] + [0.0] * 13]


@pytest.fixture(autouse=True)
def without_java(monkeypatch):
    """METEOR takes seconds to start."""
    monkeypatch.setattr(nlg, '_meteor_of_this_machine', lambda *_: [])


@pytest.fixture
def grid(tmp_path):
    """Base writes one sentence, VDMAE half of the references and CAMANet, of which one seed has finished, all."""
    for seed in range(2):
        write_run(
            tmp_path,
            'base',
            seed,
            [NORMAL] * 4,
            maps={'words_reference': 0.2 + 0.1 * seed},
            step_seconds=(50.0, 2.0, 2.0),
            test_seconds=8.0,
        )
        write_run(tmp_path, 'vdmae', seed, [*REFERENCES[: 2 + seed], *[NORMAL] * (2 - seed)], PROBABILITIES)
    write_run(
        tmp_path,
        'camanet',
        0,
        REFERENCES,
        PROBABILITIES,
        maps={'vdm': 0.6, 'words_reference': 0.5},
        step_seconds=(50.0, 3.0, 3.0),
        test_seconds=10.0,
        parameters=2000,
    )
    write_run(tmp_path, 'camanet_k0.15', 0, [NORMAL] * 4)
    write_grid(tmp_path, ['base', 'vdmae', 'camanet', 'camanet_k0.15', 'clip_0.1'], 2)
    return tmp_path


def cells(table, system, data_set=HERE_NAME):
    """The cells of our row, by column."""
    (row,) = [row for row in table.rows if (row.data_set, row.system, row.source) == (data_set, system, HERE)]
    return dict(zip(table.columns, row.cells, strict=True))


def test_means_and_deviations():
    assert mean_value([1.0, 2.0, 4.5]) == Value(2.5, pytest.approx(math.sqrt((1.5**2 + 0.5**2 + 2**2) / 2)), 3)
    assert str(mean_value([1.0, 2.0])) == '1.500 ± 0.707' and str(mean_value([0.25])) == '0.250'
    assert mean_value([]) is None


def test_table_4_holds_scores_of_the_predictions(grid):
    table = language_tables.table_4(read_results(grid))
    assert cells(table, '+VDMAE+VTAC')['BLEU_4'].mean == pytest.approx(1)
    assert cells(table, 'Base')['distinct_reports'].mean == 1
    both = cells(table, '+VDMAE')['BLEU_1']
    single = [run.scores['cut']['BLEU_1'] for run in read_results(grid).runs('vdmae')]
    assert both.mean == pytest.approx(sum(single) / 2)
    assert both.deviation == pytest.approx(abs(single[0] - single[1]) / math.sqrt(2))
    assert cells(table, 'best constant report')['BLEU_4'].mean == 0.125
    assert cells(table, '+VDMAE+CLIP(0.1)')['BLEU_1'] == 'not measured'
    assert cells(table, 'Base', 'IU-Xray')['BLEU_1'] == 'not measured'


def test_avg_delta_compares_the_seeds_that_both_have(grid):
    results = read_results(grid)
    (full,), base = results.runs('camanet'), results.runs('base')[0]
    names = [name for name in language_tables.AVERAGED if name in base.scores['cut']]
    expected = sum(full.scores['cut'][n] / base.scores['cut'][n] - 1 for n in names) / len(names)
    found = cells(language_tables.table_4(results), '+VDMAE+VTAC')['AVG_delta_recomputed']
    assert found.mean == pytest.approx(100 * expected) and found.seeds == 1 and found.deviation is None
    assert cells(language_tables.table_4(results), 'Base')['AVG_delta_recomputed'] is None


def test_avg_delta_needs_a_base_above_zero():
    assert language_tables.average_delta([1.0, 2.0], [0.5, 4.0]) == pytest.approx(25)
    assert language_tables.average_delta([1.0, None], [0.5, 4.0]) == pytest.approx(100)
    assert language_tables.average_delta([1.0], [0.0]) is None


def test_table_5_is_computed_from_the_predicted_probabilities(grid):
    found = cells(other_tables.table_5(read_results(grid)), '+VDMAE+VTAC, test')
    assert found['precision'].mean == pytest.approx(2 / 3)  # predicted 3 observations, 2 of them right
    assert found['recall'].mean == pytest.approx(2 / 3)  # of 3 pseudo-labels


def test_table_6_leaves_compilation_out(grid):
    table = other_tables.table_6(read_results(grid))
    assert cells(table, 'Base')['train_seconds'].mean == 6 and cells(table, '+VDMAE+VTAC')['train_seconds'].mean == 9
    assert cells(table, '+VDMAE+VTAC')['train_against_base'].mean == 1.5
    assert cells(table, '+VDMAE+VTAC')['test_against_base'].mean == 1.25


def test_table_7_counts_parameters(grid, monkeypatch):
    monkeypatch.setattr(other_tables, 'published_parameters', lambda: [('IU-Xray', 'base', 46_070_000)])
    table = other_tables.table_7(read_results(grid))
    assert cells(table, 'Base', 'IU-Xray') == {'millions': '46.07', 'parameters': '46,070,000'}
    assert cells(table, '+VDMAE+VTAC')['parameters'] == '2,000'


def test_alignment_is_held_against_the_same_seeds_base(grid):
    table = alignment_tables.alignment_table(read_results(grid))
    found = cells(table, '+VDMAE+VTAC: words_reference')
    assert found['pointing'].mean == 0.5 and found['chance'].mean == 0.1
    assert found['pointing_above_base'].mean == pytest.approx(0.3)
    assert cells(table, '+VDMAE+VTAC: vdm')['pointing_above_base'] is None


def test_own_words_are_counted_where_they_were_measured(grid):
    found = cells(alignment_tables.own_words_table(read_results(grid)), '+VDMAE+VTAC')
    assert found['pointing'].mean == 0.5 and str(found['pointing_above_chance']) == '+0.400 (1 of 1)'
    assert (found['lesion_hidden'].mean, found['elsewhere_hidden'].mean) == (1.5, 0.5)


def test_the_claim_is_counted_by_seeds(grid):
    table = alignment_tables.claim_table(read_results(grid))
    (step,) = [row for row in table.rows if row.system == 'Base to +VDMAE']
    assert str(step.cells[0]).endswith('(2 of 2)') and step.cells[-1] == 'not measured'
    (step,) = [row for row in table.rows if row.system == 'Base to +VDMAE+VTAC']
    assert str(step.cells[-1]) == '+0.300 (1 of 1)'


def test_the_sweep_holds_the_systems_own_k(grid):
    results = read_results(grid)
    table = sweep_table(results)
    assert cells(table, 'k = 0.25')['BLEU_4'].mean == pytest.approx(1)
    assert cells(table, 'k = 0.35')['BLEU_4'] == 'not measured'
    assert any('--systems=camanet_k0.20,camanet_k0.30,camanet_k0.35 ' in note for note in table.notes)
    assert draw_sweep(results, grid / 'k.png').stat().st_size > 0


def test_a_run_counts_once_in_the_sweep(grid):
    results = read_results(grid)
    (run, *_) = results.by_system['camanet']
    results.by_system['camanet_k0.25'] = [RunResult('camanet_k0.25', run.seed, run.workdir)]
    assert [each.system for each in sweep(results)[0.25]] == ['camanet']


def test_what_was_not_run_says_how_to_run_it(grid):
    notes = '\n'.join(language_tables.table_1(read_results(grid)).notes)
    assert '`python scripts/run_ablations.py --config=configs/iu_xray.py --systems=camanet --seeds=2 ' in notes
    assert '--config.data_dir=/data/mimic_cxr`' in notes


def test_every_table_says_what_it_depends_on(grid, monkeypatch):
    monkeypatch.setattr(other_tables, 'published_parameters', lambda: [])
    for table in page.all_tables(read_results(grid)):
        notes = '\n'.join(table.notes)
        assert 'configs/ablation.py, split test, protocol cut' in notes, table.name
        assert 'camanet: paper, seeds 0, steps 100' in notes and 'Versions: jax 0.10' in notes, table.name


def test_tables_follow_the_predictions_files(grid, monkeypatch):
    monkeypatch.setattr(other_tables, 'published_parameters', lambda: [])
    page.write_page(grid)
    before = csv_values(grid)['table_4', HERE_NAME, '+VDMAE+VTAC', 'BLEU_4']
    write_predictions(grid / 'runs' / 'camanet-seed0' / 'predictions' / 'test.jsonl', ['not'] * 4)
    page.write_page(grid)
    after = csv_values(grid)['table_4', HERE_NAME, '+VDMAE+VTAC', 'BLEU_4']
    assert before == 1 and after < 0.01


def csv_values(output):
    """Our values in ablation.csv."""
    rows = csv.DictReader(io.StringIO((output / 'ablation.csv').read_text()))
    return {
        (row['table'], row['data_set'], row['system'], row['column']): float(row['value'])
        for row in rows
        if row['source'] == 'here' and row['value'] != 'not measured'
    }


def test_the_three_files_hold_the_same_cells_and_the_page_stands_alone(grid, monkeypatch):
    monkeypatch.setattr(other_tables, 'published_parameters', lambda: [])
    page.write_page(grid)
    html_page, text = ((grid / f'ablation.{kind}').read_text() for kind in ('html', 'md'))
    for table in page.all_tables(read_results(grid)):
        for line in table.lines():
            assert f'| {" | ".join(line)} |' in text
            assert all(f'>{cell}<' in html_page for cell in line)
    assert 'src="data:image/png;base64,' in html_page and 'http' not in html_page and '<link' not in html_page
    assert '<code>python scripts/run_ablations.py' in html_page


def test_every_run_has_a_line_of_what_the_tables_average(grid):
    results = read_results(grid)
    lines = list(csv.DictReader(io.StringIO(page.runs_csv(results))))
    assert [(line['system'], line['seed']) for line in lines[:3]] == [('base', '0'), ('base', '1'), ('vdmae', '0')]
    assert [line['distinct_selected'] for line in lines[:4]] == ['1', '1', '2', '3']
    table = endpoints.endpoints_table(results)
    bleu = [float(line['BLEU_4_selected']) for line in lines if line['system'] == 'vdmae']
    assert cells(table, '+VDMAE, selected')['BLEU_4'].mean == pytest.approx(sum(bleu) / 2, abs=1e-6)
    assert [line['words_reference_pointing'] for line in lines[:3]] == ['0.2', '0.3', '']


def test_runs_of_different_code_are_not_compared(grid):
    (grid / 'runs' / 'base-seed0' / 'code.json').write_text('{"commit": "abc", "sources": "0123"}')
    with pytest.raises(ValueError, match='base-seed0: commit abc, sources 0123.*another --output'):
        read_results(grid)


def test_a_grid_without_a_finished_run_is_all_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(other_tables, 'published_parameters', lambda: [])
    write_grid(tmp_path, ['base', 'camanet'], 1)
    page.write_page(tmp_path)
    assert '| ablation | Base | here | not measured |' in (tmp_path / 'ablation.md').read_text()


def test_runs_on_iu_xray_stand_beside_the_papers_rows(tmp_path):
    write_run(tmp_path, 'camanet', 0, REFERENCES)
    write_grid(tmp_path, ['camanet'], 1, config='configs/iu_xray.py')
    table = language_tables.table_1(read_results(tmp_path))
    assert cells(table, 'CAMANet', 'IU-Xray')['BLEU_4'].mean == pytest.approx(1)
    assert not any('cannot be compared' in note for note in table.notes)


def test_a_missing_grid_is_an_error_that_helps(tmp_path):
    with pytest.raises(ValueError, match='no grid.json.*--output'):
        read_results(tmp_path)


def test_runs_without_a_classifier_have_no_row_in_table_5(grid):
    run = read_results(grid).runs('base')[0]
    assert isinstance(run, RunResult) and run.classification('test') is None


def test_endpoints_are_differences_of_the_same_seed(grid):
    for workdir in (grid / 'runs').iterdir():  # the last checkpoint writes one sentence, except CAMANet's
        write_predictions(
            workdir / 'predictions' / 'test_last.jsonl',
            REFERENCES if workdir.name == 'camanet-seed0' else [NORMAL] * 4,
        )
    table = endpoints.endpoints_table(read_results(grid))
    assert cells(table, 'Base, last')['findings_macro_F1'] == Value(0, 0, 2)
    assert cells(table, '+VDMAE, last') == cells(table, 'Base, last')
    assert str(cells(table, 'Base to +VDMAE, last')['CIDEr']) == '+0.000 [+0.000, +0.000] (0 of 2)'
    gain = cells(table, '+VDMAE to +VDMAE+VTAC, last')['findings_macro_F1']
    assert gain.mean == cells(table, '+VDMAE+VTAC, last')['findings_macro_F1'].mean > 0
    assert (gain.above, gain.seeds) == (1, 1) and gain.interval.low < gain.mean
    selected = cells(table, 'Base to +VDMAE, selected')['BLEU_4']
    assert (selected.above, selected.seeds) == (2, 2) and selected.mean > 0


def test_a_comparison_waits_for_its_predictions(grid):
    table = endpoints.endpoints_table(read_results(grid))
    assert table.rows and not [row.system for row in table.rows if row.system.endswith(', last')]
