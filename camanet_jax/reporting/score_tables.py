"""The tables of a run's page: what scores.json holds, with 95% intervals, and the paper's numbers beside."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from camanet_jax.reporting.web_page import escape

PAPER = Path(__file__).with_name('paper_scores.json')
AGREEMENT = ('precision', 'recall', 'F1')
AVERAGES = ('micro', 'macro', 'example')
DIFFERENCES = {'constant_baseline': 'above the constant report', 'shuffled_images': 'above its own reports, shuffled'}
NO_INTERVALS: Mapping[str, Any] = MappingProxyType({})

Row = tuple[str, Sequence[str]]  # heading, cells in HTML


def split_tables(entry: dict[str, Any]) -> str:
    """All tables of one split's entry."""
    return '\n'.join([language_table(entry), agreement_table(entry), class_table(entry)])


def language_table(entry: dict[str, Any]) -> str:
    """Both protocols, the baselines, and the paper."""
    names = list(entry['cut'])
    rows = [(f'this run, protocol {protocol}', cells(names, entry[protocol], entry['intervals'][protocol]))
            for protocol in ('cut', 'full')]
    if 'constant_baseline' in entry:
        rows.append(('best constant report', cells(names, entry['constant_baseline'])))
    rows += [(title, [difference_cell(entry[key]['difference']['cut'].get(name)) for name in names])
             for key, title in DIFFERENCES.items() if key in entry]
    paper = json.loads(PAPER.read_text(encoding='utf8'))
    rows += [(f'paper, {row["system"]}, {row["data"]}', cells(names, row)) for row in paper['rows']]
    copied = entry.get('copied_from_train')
    copied = f', {100 * copied["cut"]:.1f}% of the reports copied from train' if copied else ''
    note = (f'{entry["studies"]} studies, {entry["distinct_reports"]} distinct reports{copied}. 95% bootstrap '
            f'intervals over studies. Paper: {paper["source"]}; compare with a run on the same data only.')
    return table('Language scores', [name.replace('_', '-') for name in names], rows, note)


def agreement_table(entry: dict[str, Any]) -> str:
    """Labels of the reports, and of the classifier, against those of the references, averaged in three ways."""
    reports, classifier = entry['clinical']['uncertain_negative'], entry.get('classification')
    intervals = entry['intervals'].get('clinical', {})
    rows = [(f'reports, {average}', agreement_cells(reports[average], intervals.get(f'{average}_F1')))
            for average in AVERAGES]
    rows.append(('reports, 5 classes, micro', agreement_cells(reports['five_class']['micro'],
                                                              intervals.get('five_class_micro_F1'))))
    if classifier:
        rows += [(f'classifier, {average}', agreement_cells(classifier[average])) for average in AVERAGES]
    note = (f'Reports: observations that the labeller ({entry["clinical"]["labeler"]}) finds in them, uncertain '
            'counted as negative, against those of the references. Classifier: against the pseudo-labels.')
    return table('Observations', AGREEMENT, rows, note)


def class_table(entry: dict[str, Any]) -> str:
    """The same by observation."""
    by_report = entry['clinical']['uncertain_negative']['per_class']
    by_class = entry.get('classification', {}).get('per_class', {})
    rows = [(name, [str(found['support']), *agreement_cells(found), *agreement_cells(by_class.get(name, {}))])
            for name, found in by_report.items()]
    columns = ['studies', *(f'reports: {name}' for name in AGREEMENT), *(f'classifier: {name}' for name in AGREEMENT)]
    return table('Each observation', columns, rows, 'Studies: references that have it.')


def cells(names: Sequence[str], scores: Mapping[str, Any], intervals: Mapping[str, Any] = NO_INTERVALS) -> list[str]:
    """Scores by name, each with its interval where there is one."""
    return [with_interval(scores.get(name), intervals.get(name)) for name in names]


def agreement_cells(found: dict[str, float], interval: Sequence[float] | None = None) -> list[str]:
    """Precision, recall, F1; the interval is F1's."""
    return cells(AGREEMENT, found, {'F1': interval})


def difference_cell(found: dict[str, float] | None) -> str:
    """A difference with its sign and interval."""
    if found is None:
        return with_interval(None)
    return f'{found["difference"]:+.3f} <small>[{found["low"]:+.3f}, {found["high"]:+.3f}]</small>'.replace('-', '−')


def with_interval(value: float | None, interval: Sequence[float] | None = None) -> str:
    """A number, in small print its interval; a dash where it is unknown."""
    if value is None:
        return '–'
    return f'{value:.3f}' + (f' <small>[{interval[0]:.3f}, {interval[1]:.3f}]</small>' if interval else '')


def table(caption: str, columns: Sequence[str], rows: Sequence[Row], note: str = '') -> str:
    """A table that scrolls sideways where the page is narrow; a keyboard can scroll it too."""
    head = ''.join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = ''.join(f'<tr><th scope="row">{escape(heading)}</th>{"".join(f"<td>{cell}</td>" for cell in row)}</tr>'
                   for heading, row in rows)
    return (f'<div class="wide" role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
            f'<caption>{escape(caption)}</caption><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>'
            f'<p class="note">{escape(note)}</p>')
