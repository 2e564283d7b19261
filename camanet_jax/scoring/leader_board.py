"""Your own leader board: any number of systems on the same studies, and how certain their differences are.

Every other system is compared with the first, by a paired bootstrap and a paired permutation test, both over patients
where any is known, else over studies; p-values are corrected by Holm (1979) over all tests of the board. The best
constant report is a system, and how many reports are copied from train stands in every row.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from camanet_jax.metrics.bootstrap import (
    bootstrap_interval,
    holm,
    paired_bootstrap,
    paired_permutation,
    patient_numbers,
)
from camanet_jax.metrics.nlg import NlgScores
from camanet_jax.metrics.scorer import Scorer, SetScores
from camanet_jax.reporting.score_tables import table as html_table
from camanet_jax.reporting.tables import latex_table, markdown_table, text_table
from camanet_jax.reporting.web_page import escape, fill_template, json_text, rounded
from camanet_jax.run.files import as_csv, write_text
from camanet_jax.scoring.studies import Studies

CLINICAL = ('micro_F1', 'findings_macro_F1')  # of the default text and policy: 14 observations, and 13
Table = tuple[list[str], list[list[str]]]  # header, rows
SUFFIXES = ('.txt', '.md', '.tex', '.csv', '.html')


class System(NamedTuple):
    """One row of the board.

    Attributes:
      reports: in the order of the studies.
      distinct, copied: the number of different reports; the share that train, where it is known, holds word for word.
    """

    reports: list[str]
    scores: SetScores
    distinct: int
    copied: float | None


def compare(
    systems: Mapping[str, System], weights: np.ndarray, patients: Sequence[str], permutations: int, seed: int
) -> dict[str, Any]:
    """The board as it stands in scores.json; `patients` are the studies'.

    Returns:
      `systems` by name: `scores` and `intervals` by name, `distinct_reports`, `copied_from_train`; and `tests` of every
      system but the first, minus the first: `difference`, `low`, `high`, `p_value` (bootstrap), `permutation_p`, and
      `holm_p`, the permutation's corrected.
    """
    statistics = {name: _statistics(system.scores) for name, system in systems.items()}
    first, *others = statistics
    numbers = patient_numbers(patients)
    tests = [
        {
            'system': other,
            'score': score,
            **paired_bootstrap(each, statistics[first][score], weights)._asdict(),
            'permutation_p': paired_permutation(each, statistics[first][score], permutations, seed, numbers),
        }
        for other in others
        for score, each in statistics[other].items()
        if score in statistics[first]
    ]
    for test, corrected in zip(tests, holm([test['permutation_p'] for test in tests]), strict=True):
        test['holm_p'] = corrected
    rows = {
        name: {
            'scores': {score: each.value() for score, each in statistics[name].items()},
            'intervals': {score: bootstrap_interval(each, weights) for score, each in statistics[name].items()},
            'distinct_reports': system.distinct,
            'copied_from_train': system.copied,
        }
        for name, system in systems.items()
    }
    return {'systems': rows, 'tests': tests, 'permutations': permutations}


def _statistics(scores: SetScores) -> dict[str, Any]:
    clinical = scores.statistics.get('clinical', {})
    return _language(scores).statistics | {name: clinical[name] for name in CLINICAL if name in clinical}


def _language(scores: SetScores) -> NlgScores:
    """The language scores of a system, which are of one protocol."""
    (language,) = scores.nlg.values()
    return language


def board_rows(board: Mapping[str, Any]) -> Table:
    """Header and a row per system."""
    names = list(dict.fromkeys(name for row in board['systems'].values() for name in row['scores']))
    rows = [
        [
            system,
            *(f'{row["scores"][name]:.4f}' if name in row['scores'] else '' for name in names),
            str(row['distinct_reports']),
            'unknown' if row['copied_from_train'] is None else f'{row["copied_from_train"]:.1%}',
        ]
        for system, row in board['systems'].items()
    ]
    return ['system', *names, 'distinct', 'copied from train'], rows


def test_rows(board: Mapping[str, Any]) -> Table:
    """Header and a row per test."""
    first = next(iter(board['systems']))
    rows = [
        [
            test['system'],
            test['score'],
            f'{test["difference"]:+.4f}',
            f'[{test["low"]:+.4f}, {test["high"]:+.4f}]',
            *(f'{test[name]:.4f}' for name in ('p_value', 'permutation_p', 'holm_p')),
        ]
        for test in board['tests']
    ]
    return [f'minus {first}', 'score', 'difference', '95% interval', 'bootstrap p', 'permutation p', 'Holm'], rows


def board_text(board: Mapping[str, Any], form: str = '.md') -> str:
    """Both tables as text, Markdown, LaTeX or CSV, by the suffix."""
    tables = [board_rows(board), test_rows(board)]
    if form == '.csv':
        return as_csv([*_lines(tables[0]), [], *_lines(tables[1])])
    make = {
        '.txt': lambda header, rows, left: '\n'.join(text_table([header, *rows], left)),
        '.md': markdown_table,
        '.tex': latex_table,
    }[form]
    note = (
        f'Permutation test of {board["permutations"]} draws; Holm: the permutation p corrected over the '
        f'{len(board["tests"])} tests of this table.'
    )
    parts = [make(*tables[0], 1)]
    if board['tests']:
        parts += [make(*tables[1], 2), f'% {note}' if form == '.tex' else note]
    if all(row['copied_from_train'] is None for row in board['systems'].values()):
        missing = 'Without --data DIR there is no constant report here, and it is unknown what was copied from train.'
        parts.append(f'% {missing}' if form == '.tex' else missing)
    return '\n\n'.join(parts)


def _lines(table: Table) -> list[list[str]]:
    return [table[0], *table[1]]


def board_page(
    board: Mapping[str, Any], systems: Mapping[str, System], studies: Studies, scorer: Scorer, protocol: str
) -> str:
    """An offline page as HTML: both tables, and the reports of all systems side by side, study by study."""
    tables = board_rows(board), test_rows(board)
    captions = 'Systems', f'Each system {tables[1][0][0]}'
    systems_table, tests = (
        html_table(caption, header[1:], [(row[0], list(map(escape, row[1:]))) for row in rows])
        for caption, (header, rows) in zip(captions, tables, strict=True)
    )
    data = {
        'ids': studies.ids,
        'references': scorer.compared(protocol, studies.whole_references, recase=False),
        'systems': [
            {
                'name': name,
                'reports': scorer.compared(protocol, system.reports),
                'scores': {score: rounded(values) for score, values in _language(system.scores).per_study.items()},
            }
            for name, system in systems.items()
        ],
    }
    count = str(len(studies.ids))
    return fill_template('board.html', board=systems_table, tests=tests, count=count, data=json_text(data))


def write_board(
    path: Path, board: Mapping[str, Any], systems: Mapping[str, System], studies: Studies, scorer: Scorer, protocol: str
) -> None:
    """Writes the board in the form that the file's name asks for."""
    if path.suffix == '.html':
        text = board_page(board, systems, studies, scorer, protocol)
    else:
        text = board_text(board, path.suffix) + '\n' * (path.suffix != '.csv')
    write_text(path, text)
