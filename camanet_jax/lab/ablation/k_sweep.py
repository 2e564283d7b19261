"""The proportion k of selected words (Figures 4 and 5): BLEU-4 over k as a table and a plot."""

from pathlib import Path

from matplotlib.figure import Figure

from camanet_jax.lab.ablation.results import Results, RunResult
from camanet_jax.lab.ablation.systems import PAPER_SWEEP, SWEPT
from camanet_jax.lab.ablation.tables import HERE, PAPER, Row, Table, finish, mean_value, not_measured
from camanet_jax.reporting.curves import COLOURS, decorate, save
from camanet_jax.reporting.paper import paper_table

COLUMNS = ('BLEU_4', 'BLEU_1', 'CIDEr', 'clinical_F1')
PUBLISHED_K = {'IU-Xray': 0.25, 'MIMIC-CXR': 0.30}  # of Table I


def sweep(results: Results) -> dict[float, list[RunResult]]:
    """Finished runs of CAMANet by k, the configuration's own k included; of two with one seed the first."""
    by_k: dict[float, dict[int, RunResult]] = {}
    for name, runs in results.by_system.items():
        swept = SWEPT.fullmatch(name)
        if name == 'camanet' or (swept and swept['system'] == 'camanet'):
            for run in runs:
                by_k.setdefault(run.config['loss']['topk'], {}).setdefault(run.seed, run)
    return {k: list(runs.values()) for k, runs in sorted(by_k.items())}


def sweep_table(results: Results) -> Table:
    """The table of every k in the paper's figures and of all others that were run."""
    bleu_4 = paper_table('I').columns.index('BLEU_4')
    printed = {data_set: rows['CAMANet'][bleu_4] for data_set, rows in paper_table('I').data_sets.items()}
    rows = [
        Row(data_set, f'k = {k:.2f}', PAPER, (printed[data_set], None, None, None))
        for data_set, k in PUBLISHED_K.items()
    ]
    by_k = sweep(results)
    for k in sorted({*by_k, *map(float, PAPER_SWEEP)}):
        if k not in by_k:
            rows.append(not_measured(results.data_set, f'k = {k:.2f}', len(COLUMNS)))
            continue
        cells = [mean_value([run.scores['cut'][name] for run in by_k[k]]) for name in COLUMNS[:3]]
        clinical = mean_value([run.scores['clinical']['F1'] for run in by_k[k]])
        rows.append(Row(results.data_set, f'k = {k:.2f}', HERE, (*cells, clinical)))
    notes = ('Figures 4 and 5 of the paper print no numbers; only the values at the k of Table I are known.',)
    missing = [f'camanet_k{k}' for k in PAPER_SWEEP if float(k) not in by_k]
    measured = [run.system for runs in by_k.values() for run in runs]
    title = 'Figures 4 and 5: the share k of selected words'
    return finish('k_sweep', title, COLUMNS, rows, results, notes, measured, missing)


def draw_sweep(results: Results, path: Path) -> Path | None:
    """Draws BLEU-4 over k, with single seeds as dots; returns None for fewer than two values of k."""
    scores = {k: [run.scores['cut']['BLEU_4'] for run in runs] for k, runs in sweep(results).items()}
    if len(scores) < 2:
        return None
    figure = Figure((5.2, 3.2), dpi=120, layout='constrained')
    axes = figure.add_subplot()
    values = [mean_value(of_k) for of_k in scores.values()]
    means, deviations = [value.mean for value in values], [value.deviation or 0 for value in values]
    label = 'mean ± deviation over seeds'
    axes.errorbar(list(scores), means, yerr=deviations, color=COLOURS[0], marker='o', capsize=3, label=label)
    single = [(k, score) for k, of_k in scores.items() for score in of_k]
    axes.plot(*zip(*single, strict=True), '.', color=COLOURS[1], markersize=5, label='single seeds')
    decorate(axes, 'BLEU-4, test')
    axes.set_xlabel('k, the share of selected words')
    axes.set_xticks(list(scores))
    return save(figure, path)
