"""The tables of a run's page: the scores of scores.json with 95% intervals, beside the paper's."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from camanet_jax.metrics.classification import AVERAGES, CLASS_SETS
from camanet_jax.reporting.paper import paper_table
from camanet_jax.reporting.web_page import escape

AGREEMENT = ('precision', 'recall', 'F1')
DIFFERENCES = {'constant_baseline': 'above the constant report', 'shuffled_images': 'above its own reports, shuffled'}
DEFAULT_CONVENTION = (
    "* the default, the paper's Table II as far as it says: 14 observations, micro. 13 are those without No Finding, 5 "
    'those of the CheXpert competition. Columns: the text that was labelled, on both sides (full: whole, cleaned; raw: '
    'as written; cut: as the protocol cuts), and what an uncertain observation counts as.'
)
NO_INTERVALS: Mapping[str, Any] = MappingProxyType({})

Row = tuple[str, Sequence[str]]  # heading, cells in HTML


def split_tables(split: str, entry: dict[str, Any]) -> str:
    """All tables of one split's entry."""
    return '\n'.join([language_table(split, entry), agreement_table(split, entry), class_table(split, entry)])


def language_table(split: str, entry: dict[str, Any]) -> str:
    """The table of language scores: both protocols, the baselines, and the paper."""
    names = list(entry['cut'])
    rows = [
        (f'this run, protocol {protocol}', cells(names, entry[protocol], entry['intervals'][protocol]))
        for protocol in ('cut', 'full')
    ]
    if 'constant_baseline' in entry:
        rows.append(('best constant report', cells(names, entry['constant_baseline'])))
    rows += [
        (title, [difference_cell(entry[key]['difference']['cut'].get(name)) for name in names])
        for key, title in DIFFERENCES.items()
        if key in entry
    ]
    rows += paper_rows('IV', names)
    copied = entry.get('copied_from_train')
    copied = f', {100 * copied["cut"]:.1f}% of the reports copied from train' if copied else ''
    drawn = f'{entry["patients"]} patients' if 'patients' in entry else 'studies'
    note = (
        f'{entry["studies"]} studies, {entry["distinct_reports"]} distinct reports{copied}. 95% bootstrap '
        f'intervals over {drawn}. Paper: Table IV, test splits; compare with a run on the same data only.'
    )
    return table(f'Language scores, {split} split', [name.replace('_', '-') for name in names], rows, note)


def agreement_table(split: str, entry: dict[str, Any]) -> str:
    """The table of labels of the reports and of the classifier, averaged in every way, beside the paper's."""
    reports, classifier = entry['clinical']['uncertain_negative'], entry.get('classification')
    intervals = entry['intervals'].get('clinical', {})
    rows = [
        (f'reports, {average}', agreement_cells(reports[average], intervals.get(f'{average}_F1')))
        for average in AVERAGES
    ]
    if classifier:
        rows += [(f'classifier, {average}', agreement_cells(classifier[average])) for average in AVERAGES]
    rows += paper_rows('II', AGREEMENT, 'reports, micro, ', only='CAMANet')
    rows += paper_rows('V', AGREEMENT, 'classifier, ', only='test')
    note = (
        f'Reports: their observations by the labeller ({entry["clinical"]["labeler"]}), uncertain counted as '
        'negative, against those of the references. Classifier: against the pseudo-labels. Paper: Tables II '
        '(labelled by CheXbert) and V.'
    )
    return table(f'Observations, {split} split', AGREEMENT, rows, note) + conventions_table(split, entry)


def conventions_table(split: str, entry: Mapping[str, Any]) -> str:
    """F1 of the reports' labels under every convention, the constant report's beside."""
    header, rows = conventions({'reports': entry['clinical'], 'constant report': constant_clinical(entry)})
    return table(
        f'Clinical efficacy under every convention (F1), {split} split',
        header[3:],
        [(', '.join(row[:3]), row[3:]) for row in rows],
        DEFAULT_CONVENTION,
    )


def constant_clinical(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The clinical scores of the best constant report, where it was scored."""
    return entry.get('constant_baseline', {}).get('clinical', {})


def conventions(clinical: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of F1 by class set, average and system; a column for each labelled text and policy.

    Args:
      clinical: the clinical scores of each system, empty where it has none.
    """
    by_system = {name: scores['conventions'] for name, scores in clinical.items() if scores}
    columns = [(text, policy) for text, policies in next(iter(by_system.values())).items() for policy in policies]
    titles = [f'{text}, {policy.replace("_", " ")}' for text, policy in columns]
    rows = [
        [classes, average + ' *' * ((classes, average) == ('14', 'micro')), name]
        + [f'{scores[text][policy][classes][average]["F1"]:.4f}' for text, policy in columns]
        for classes in CLASS_SETS
        for average in AVERAGES
        for name, scores in by_system.items()
    ]
    return ['classes', 'average', 'system', f'{titles[0]} *', *titles[1:]], rows


def class_table(split: str, entry: dict[str, Any]) -> str:
    """The same table by observation."""
    by_report = entry['clinical']['uncertain_negative']['per_class']
    by_class = entry.get('classification', {}).get('per_class', {})
    rows = [
        (name, [str(scores['support']), *agreement_cells(scores), *agreement_cells(by_class.get(name, {}))])
        for name, scores in by_report.items()
    ]
    columns = ['studies', *(f'reports: {name}' for name in AGREEMENT), *(f'classifier: {name}' for name in AGREEMENT)]
    return table(f'Each observation, {split} split', columns, rows, 'Studies: references with the observation.')


def paper_rows(number: str, names: Sequence[str], about: str = '', only: str | None = None) -> list[Row]:
    """Rows of a table of the paper for every data set; `only` selects those of one name."""
    printed = paper_table(number)
    return [
        (f'paper, {about}{row}, {data_set}', cells(names, dict(zip(printed.columns, values, strict=True))))
        for data_set, rows in printed.data_sets.items()
        for row, values in rows.items()
        if only in (None, row)
    ]


def cells(names: Sequence[str], scores: Mapping[str, Any], intervals: Mapping[str, Any] = NO_INTERVALS) -> list[str]:
    """Scores by name, each with its interval where there is one."""
    return [with_interval(scores.get(name), intervals.get(name)) for name in names]


def agreement_cells(scores: dict[str, float], interval: Sequence[float] | None = None) -> list[str]:
    """Precision, recall, F1; the interval is F1's."""
    return cells(AGREEMENT, scores, {'F1': interval})


def difference_cell(result: dict[str, float] | None) -> str:
    """A difference with its sign and interval."""
    if result is None:
        return with_interval(None)
    difference, low, high = (f'{result[name]:+.3f}' for name in ('difference', 'low', 'high'))
    return f'{difference} <small>[{low}, {high}]</small>'.replace('-', '−')


def with_interval(value: float | None, interval: Sequence[float] | None = None) -> str:
    """A number, in small print its interval; a dash where it is unknown."""
    if value is None:
        return '–'
    return f'{value:.3f}' + (f' <small>[{interval[0]:.3f}, {interval[1]:.3f}]</small>' if interval else '')


def table(caption: str, columns: Sequence[str], rows: Sequence[Row], note: str = '') -> str:
    """A table that scrolls sideways on narrow pages, also by keyboard."""
    head = ''.join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = ''.join(
        f'<tr><th scope="row">{escape(heading)}</th>{"".join(f"<td>{cell}</td>" for cell in row)}</tr>'
        for heading, row in rows
    )
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
        f'<caption>{escape(caption)}</caption><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f'<p class="note">{escape(note)}</p>'
    )
