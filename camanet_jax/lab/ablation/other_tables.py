"""Tables V to VII: the classifier's scores, times and numbers of parameters."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import jax

from camanet_jax.configuration import recipe
from camanet_jax.lab.ablation.results import DATA_SETS, Results
from camanet_jax.lab.ablation.systems import TIMED, printed_name, system_config
from camanet_jax.lab.ablation.tables import HERE, PAPER, Cell, Row, Table, finish, mean_value, not_measured
from camanet_jax.lab.benchmarks.workload import PUBLISHED_VOCABULARIES, Workload
from camanet_jax.reporting.paper import paper_table

SPLITS = ('val', 'test')


def table_5(results: Results) -> Table:
    """Multi-label classification of the observations."""
    paper = paper_table('V')
    columns = ('precision', 'recall', 'macro_precision', 'macro_recall')
    rows = []
    for data_set, printed in paper.data_sets.items():
        rows += [Row(data_set, f'CAMANet, {split}', PAPER, (*values, None, None)) for split, values in printed.items()]
        if data_set != results.data_set:
            rows.append(not_measured(data_set, 'CAMANet', len(columns)))
    for system in results.systems:
        for split in SPLITS:
            scores = [run.classification(split) for run in results.runs(system)]
            if scores and None not in scores:
                cells = [
                    mean_value([entry[average][name] for entry in scores])
                    for average in ('micro', 'macro')
                    for name in ('precision', 'recall')
                ]
                rows.append(Row(results.data_set, f'{printed_name(system)}, {split}', HERE, tuple(cells)))
    note = (
        'Observations by the image (presence: probability of at least 0.5) against the pseudo-labels. The first '
        'two columns are micro averages; the paper does not say how it averages.'
    )
    return finish('table_5', f'Table V: {paper.title}', columns, rows, results, (note,))


def table_6(results: Results) -> Table:
    """Time of an epoch, Base against CAMANet."""
    paper = paper_table('VI')
    columns = ('train_seconds', 'test_seconds', 'train_against_base', 'test_against_base')
    rows = []
    for data_set, printed in paper.data_sets.items():
        rows += [Row(data_set, name, PAPER, in_seconds(values, printed['Base'])) for name, values in printed.items()]
        if data_set != results.data_set:
            rows += [not_measured(data_set, name, len(columns)) for name in printed]
    rows += pair_rows(results, len(columns), lambda system: cost_cells(results, system))
    notes = (
        'The paper prints minutes. Here a training epoch is the median time of a step times the steps of an '
        'epoch, and a test epoch one pass over the test split, search included; compilation counts in neither. '
        'On a machine with other work the ratios say more than the times.',
    )
    return finish('table_6', 'Table VI: Seconds of one epoch', columns, rows, results, notes, TIMED)


def in_seconds(minutes: Sequence[Decimal], base: Sequence[Decimal]) -> tuple[Cell, ...]:
    """The paper's minutes in seconds, and their ratios to Base's."""
    ratios = (f'{value / other:.2f}' for value, other in zip(minutes, base, strict=True))
    return (*(f'{60 * value:.1f}' for value in minutes), *ratios)


def cost_cells(results: Results, system: str) -> tuple[Cell, ...]:
    """Seconds of a training epoch and of a test pass, and their ratios to Base's of the same seed."""
    measured = [run for run in results.runs(system) if run.cost]
    pairs = [pair for pair in results.pairs(system, 'base') if all(run.cost for run in pair)]
    seconds, ratios = [], []
    for measure in (lambda run: run.train_epoch_seconds, lambda run: run.cost['test_seconds']):
        seconds.append(mean_value([measure(run) for run in measured], decimals=1))
        ratios.append(mean_value([measure(run) / measure(of_base) for run, of_base in pairs], decimals=2))
    return (*seconds, *ratios)


def table_7(results: Results) -> Table:
    """Numbers of parameters: of this code at the paper's size, and of the runs."""
    paper = paper_table('VII')
    rows = [
        Row(data_set, name, PAPER, (values[0], None))
        for data_set, printed in paper.data_sets.items()
        for name, values in printed.items()
    ]
    for data_set, system, number in published_parameters():
        rows.append(Row(data_set, printed_name(system), HERE, parameter_cells(number)))
    measured = {name: [run.cost['parameters'] for run in results.runs(name) if run.cost] for name in TIMED}
    rows += pair_rows(results, 2, lambda system: parameter_cells(next(iter(measured[system]), None)))
    notes = (
        "The rows of IU-Xray and MIMIC-CXR count this code's parameters at the paper's size, with the "
        "vocabularies of the authors' checkpoints (761 and 4,336 rows); nothing is trained for them.",
    )
    return finish('table_7', f'Table VII: {paper.title}', ('millions', 'parameters'), rows, results, notes, TIMED)


def parameter_cells(number: int | None) -> tuple[Cell, ...]:
    """A number of parameters in millions, and exact."""
    return (None, None) if number is None else (f'{number / 1e6:.2f}', f'{number:,}')


def pair_rows(results: Results, columns: int, cells: Callable[[str], tuple[Cell, ...]]) -> list[Row]:
    """Our rows of Base and CAMANet."""
    return [
        Row(results.data_set, printed_name(system), HERE, cells(system))
        if results.runs(system)
        else not_measured(results.data_set, printed_name(system), columns)
        for system in TIMED
    ]


def published_parameters() -> list[tuple[str, str, int]]:
    """Data set, system and number of parameters, with the vocabularies of the authors' checkpoints."""
    numbers = []
    for name, data_set in DATA_SETS.items():
        for system in TIMED:
            config = system_config(recipe(name), system, 0)
            workload = Workload(config, PUBLISHED_VOCABULARIES[config.data.cleaner])
            leaves = jax.tree.leaves(workload.experiment.state_shapes().params)
            numbers.append((data_set, system, sum(leaf.size for leaf in leaves)))
    return numbers
