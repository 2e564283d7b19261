"""The proportion k of selected words (Figures 4 and 5): BLEU-4 over k as a table and a plot."""

from pathlib import Path

from matplotlib.figure import Figure

from camanet_jax.lab.ablation.language_tables import finish
from camanet_jax.lab.ablation.results import Results, RunResult
from camanet_jax.lab.ablation.systems import PAPER_SWEEP, SWEPT
from camanet_jax.lab.ablation.tables import HERE, PAPER, Row, Table, mean_value, not_measured
from camanet_jax.reporting.curves import COLOURS, decorate, save
from camanet_jax.reporting.paper import paper_table

COLUMNS = ('BLEU_4', 'BLEU_1', 'CIDEr', 'clinical_F1')
PUBLISHED_K = {'IU-Xray': 0.25, 'MIMIC-CXR': 0.30}  # of Table I


def sweep(results: Results, system: str = 'camanet') -> dict[float, list[RunResult]]:
    """Finished runs by k, those of the system at the configuration's own k among them."""
    found: dict[float, list[RunResult]] = {}
    for name, runs in results.by_system.items():
        swept = SWEPT.fullmatch(name)
        if name == system or (swept and swept['system'] == system):
            for run in runs:
                found.setdefault(run.config['loss']['topk'], []).append(run)
    return dict(sorted(found.items()))


def sweep_table(results: Results) -> Table:
    """Every k of the paper's figures and every other that was run."""
    bleu_4 = paper_table('I').columns.index('BLEU_4')
    printed = {data_set: rows['CAMANet'][bleu_4] for data_set, rows in paper_table('I').data_sets.items()}
    rows = [
        Row(data_set, f'k = {k:.2f}', PAPER, (printed[data_set], None, None, None))
        for data_set, k in PUBLISHED_K.items()
    ]
    found = sweep(results)
    for k in sorted({*found, *map(float, PAPER_SWEEP)}):
        if k not in found:
            rows.append(not_measured(results.data_set, f'k = {k:.2f}', len(COLUMNS)))
            continue
        cells = [mean_value([run.scores['cut'][name] for run in found[k]]) for name in COLUMNS[:3]]
        clinical = mean_value([run.scores['clinical']['F1'] for run in found[k]])
        rows.append(Row(results.data_set, f'k = {k:.2f}', HERE, (*cells, clinical)))
    note = 'Figures 4 and 5 of the paper print no numbers; known are the values at the k of Table I.'
    missing = [f'camanet_k{k}' for k in PAPER_SWEEP if float(k) not in found]
    measured = [run.system for runs in found.values() for run in runs]
    return finish(
        'k_sweep', 'Figures 4 and 5: the share k of selected words', COLUMNS, rows, results, (note,), measured, missing
    )


def draw_sweep(results: Results, path: Path) -> Path | None:
    """BLEU-4 over k with single seeds as dots; None with fewer than two values of k."""
    found = sweep(results)
    if len(found) < 2:
        return None
    figure = Figure((5.2, 3.2), dpi=120, layout='constrained')
    axes = figure.add_subplot()
    means = [mean_value([run.scores['cut']['BLEU_4'] for run in runs]) for runs in found.values()]
    deviations = [mean.deviation or 0 for mean in means]
    axes.errorbar(
        list(found),
        [mean.mean for mean in means],
        yerr=deviations,
        color=COLOURS[0],
        marker='o',
        capsize=3,
        label='mean ± deviation over seeds',
    )
    for k, runs in found.items():
        axes.plot(
            [k] * len(runs),
            [run.scores['cut']['BLEU_4'] for run in runs],
            '.',
            color=COLOURS[1],
            markersize=5,
            label='single seeds' if k == min(found) else None,
        )
    decorate(axes, 'BLEU-4, test')
    axes.set_xlabel('k, the share of selected words')
    axes.set_xticks(list(found))
    return save(figure, path)
