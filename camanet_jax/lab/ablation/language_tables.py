"""Tables I to IV: scores of the reports, our rows beside the paper's."""

import statistics
from collections.abc import Sequence
from decimal import Decimal

from camanet_jax.lab.ablation.results import Results, RunResult
from camanet_jax.lab.ablation.systems import PRINTED_NAMES, SWEPT, printed_name
from camanet_jax.lab.ablation.tables import HERE, PAPER, Row, Table, Value, finish, mean_value, not_measured
from camanet_jax.reporting.paper import paper_table

AVERAGED = ('BLEU_1', 'BLEU_2', 'BLEU_3', 'BLEU_4', 'ROUGE_L', 'METEOR', 'CIDEr')
TABLE_4 = (*AVERAGED, 'AVG_delta_percent', 'AVG_delta_recomputed', 'clinical_F1', 'distinct_reports', 'seeds')
ROUGE_NOTE = (
    'The paper prints ROUGE-L of CAMANet on IU-Xray as 0.404 in Table I and as 0.407 in Table IV; its AVG '
    'delta of 22.8% follows from 0.407 (0.404 gives 22.7%).'
)


def average_delta(scores: Sequence[float | None], base: Sequence[float | None]) -> float | None:
    """The paper's AVG delta in percent: the mean over the scores of their relative gain over Base."""
    pairs = [(float(s), float(b)) for s, b in zip(scores, base, strict=True) if s is not None and b is not None]
    return 100 * statistics.fmean((s - b) / b for s, b in pairs) if pairs and all(b for _, b in pairs) else None


def table_4(results: Results) -> Table:
    """The table of the ablation: every system, the gain over Base, and the best constant report."""
    paper = paper_table('IV')
    rows = []
    for data_set, printed in paper.data_sets.items():
        base = printed['Base'][: len(AVERAGED)]
        for name, values in printed.items():
            delta = None if name == 'Base' else average_delta(values[: len(AVERAGED)], base)
            cells = (*values, None if delta is None else Decimal(f'{delta:.1f}'), None, None, None)
            rows.append(Row(data_set, name, PAPER, cells))
        systems = [key for key, name in PRINTED_NAMES.items() if name in printed]
        rows += own_rows(results, data_set, systems)
    if results.data_set not in paper.data_sets:
        rows += own_rows(results, results.data_set, PRINTED_NAMES)
    notes = (
        'AVG delta: the mean over the seven scores of the relative gain over Base, in percent. Recomputed: from '
        "the scores of the row as shown, ± the deviation of the gains of single seeds. From the paper's printed "
        'scores follow other values than it prints for two rows of MIMIC-CXR.',
        'Clinical F1: micro average over 14 observations that the phrase rules read off both reports, uncertain '
        "as negative. Distinct: different reports among the test split's.",
        ROUGE_NOTE,
    )
    return finish('table_4', f'Table IV: {paper.title}', TABLE_4, rows, results, notes)


def own_rows(results: Results, data_set: str, systems: Sequence[str]) -> list[Row]:
    """Our rows of Table IV for a data set: the paper's systems, others that were run, the constant report."""
    width = len(TABLE_4)
    if data_set != results.data_set:
        return [not_measured(data_set, printed_name(system), width) for system in systems]
    others = [system for system in results.systems if not SWEPT.fullmatch(system)]
    rows = [
        own_row(results, system) if results.runs(system) else not_measured(data_set, printed_name(system), width)
        for system in dict.fromkeys([*systems, *others])
    ]
    return rows + constant_rows(results)


def own_row(results: Results, system: str) -> Row:
    """One system of Table IV."""
    runs = results.runs(system)
    scores = [mean_value(language(runs, name)) for name in AVERAGED]
    clinical = mean_value([run.scores['clinical']['F1'] for run in runs])
    distinct = mean_value([run.scores['distinct_reports'] for run in runs], decimals=0)
    cells = (*scores, None, own_delta(results, system), clinical, distinct, str(len(runs)))
    return Row(results.data_set, printed_name(system), HERE, cells)


def own_delta(results: Results, system: str) -> Value | None:
    """The gain of the mean scores over Base's, and the deviation of single seeds' gains, over the seeds of both."""
    pairs = results.pairs(system, 'base')
    if system == 'base' or not pairs:
        return None
    sides = list(zip(*pairs, strict=True))
    names = [name for name in AVERAGED if name in pairs[0][0].scores['cut']]
    delta = average_delta(*([statistics.fmean(language(runs, name)) for name in names] for runs in sides))
    gains = [average_delta(*([run.scores['cut'][name] for name in names] for run in pair)) for pair in pairs]
    if delta is None or None in gains:
        return None
    return Value(delta, statistics.stdev(gains) if len(gains) > 1 else None, len(gains), decimals=1)


def constant_rows(results: Results) -> list[Row]:
    """The best constant report, which is the same for every run on the data set."""
    for run in results.every_run():
        if constant := run.scores_file['test'].get('constant_baseline'):
            scores = tuple(Value(constant[name], None, 1) if name in constant else None for name in AVERAGED)
            clinical = Value(constant['clinical']['uncertain_negative']['micro']['F1'], None, 1)
            return [Row(results.data_set, 'best constant report', HERE, (*scores, None, None, clinical, '1', None))]
    return []


def language(runs: Sequence[RunResult], name: str) -> list[float]:
    """A score of the runs that have it; METEOR needs Java."""
    return [run.scores['cut'][name] for run in runs if name in run.scores['cut']]


def table_1(results: Results) -> Table:
    """Previous studies."""
    return beside_previous_studies('I', 'table_1', results, (ROUGE_NOTE,))


def table_3(results: Results) -> Table:
    """Pretrained models."""
    return beside_previous_studies('III', 'table_3', results)


def table_2(results: Results) -> Table:
    """Clinical efficacy."""
    note = (
        'The paper labels with CheXbert; here the phrase rules read both reports, uncertain as negative. '
        "scripts/score.py takes CheXbert's labels."
    )
    return beside_previous_studies('II', 'table_2', results, (note,), group='clinical')


def beside_previous_studies(
    number: str, name: str, results: Results, notes: Sequence[str] = (), group: str = 'cut'
) -> Table:
    """The paper's rows of a table, and CAMANet's as measured here."""
    paper = paper_table(number)
    rows = []
    for data_set, printed in paper.data_sets.items():
        rows += [Row(data_set, system, PAPER, tuple(values)) for system, values in printed.items()]
        if data_set != results.data_set:
            rows.append(not_measured(data_set, 'CAMANet', len(paper.columns)))
    if runs := results.runs('camanet'):
        scores = [run.scores[group] for run in runs]
        cells = (mean_value([of_run[name] for of_run in scores if name in of_run]) for name in paper.columns)
        rows.append(Row(results.data_set, 'CAMANet', HERE, tuple(cells)))
    else:
        rows.append(not_measured(results.data_set, 'CAMANet', len(paper.columns)))
    return finish(name, f'Table {number}: {paper.title}', paper.columns, rows, results, notes, ['camanet'])
