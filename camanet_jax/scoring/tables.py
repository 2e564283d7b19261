"""The scores of one file, with what they depend on, and the agreement of labels, as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from camanet_jax.data.schema import OBSERVATIONS, label_row
from camanet_jax.labeling.label_files import IGNORED, positives, without_ignored
from camanet_jax.metrics.classification import classification_scores
from camanet_jax.metrics.meteor import NLTK_METEOR
from camanet_jax.metrics.protocol import CLEANED
from camanet_jax.reporting.score_tables import DEFAULT_CONVENTION, constant_clinical, conventions
from camanet_jax.reporting.tables import markdown_table
from camanet_jax.run.provenance import caption
from camanet_jax.scoring.leader_board import board_text


def report_text(entry: Mapping[str, Any]) -> str:
    """Everything that `score.score` returns, as text to read."""
    parts = [heading(entry), language_table(entry, entry['provenance']['protocol'])]
    if entry['clinical']:
        parts += clinical_tables(entry)
    if 'leader_board' in entry:
        parts.append(board_text(entry['leader_board']))
    if 'merged' in entry:
        parts.append(merged_table(entry['merged']))
    return '\n\n'.join([*parts, footer(entry)])


def heading(entry: Mapping[str, Any]) -> str:
    """The scored file, and the share of its reports that are copied."""
    made_by = entry['provenance']
    protocol, rules = made_by['protocol'], made_by['text_rules']
    facts = [f'studies {entry["studies"]}']
    if 'patients' in entry:
        facts.append(f'patients {entry["patients"]} (intervals are over these)')
    if made_by['left_out']:
        facts.append(f'left out, without the section that is compared: {made_by["left_out"]}')
    if made_by['empty_reports']:
        facts.append(f'empty reports {made_by["empty_reports"]}')
    facts += [f'distinct reports {entry["distinct_reports"]}']
    if 'copied_from_train' in entry:
        facts.append(f'copied from train {next(iter(entry["copied_from_train"].values())):.1%}')
    if 'constant_baseline' in entry:
        facts.append(f'train studies with the constant report {entry["constant_baseline"]["train_studies"]}')
    if protocol not in CLEANED:
        rules = entry['cleaning'][protocol]
    shown = ', '.join(f'{name} {value}' for name, value in rules.items())
    return (
        f'{made_by["predictions"]["file"]}: {", ".join(facts)}\n'
        f'split {made_by["split"] or "unknown"}, protocol {protocol} ({shown})'
    )


def language_table(entry: Mapping[str, Any], protocol: str, digits: int = 6) -> str:
    """Language scores under a protocol beside the constant report's."""
    baseline = entry.get('constant_baseline')
    header, rows = [protocol, 'score', '95% interval'], []
    if baseline:
        header += ['constant report', 'difference and 95% interval', 'p']
    for name, value in entry[protocol].items():
        row = [name, f'{value:.{digits}f}', interval(entry['intervals'][protocol][name])]
        if baseline:
            difference = baseline['difference'][protocol][name]
            row += [
                f'{value - difference["difference"]:.{digits}f}',
                signed(difference),
                f'{difference["p_value"]:.3f}',
            ]
        rows.append(row)
    return markdown_table(header, rows) + meteor_note(entry[protocol])


def meteor_note(scores: Mapping[str, float]) -> str:
    """A note where METEOR is not the authors' program's."""
    if NLTK_METEOR in scores:
        return f"\n\n{NLTK_METEOR} is nltk's, since Java is missing here. It is not comparable with METEOR 1.5."
    if 'METEOR' not in scores and 'BLEU_1' in scores:
        return "\n\nMETEOR is left out: it needs Java on the path, its stand-in nltk's WordNet."
    return ''


def clinical_tables(entry: Mapping[str, Any]) -> list[str]:
    """The default convention with its interval, F1 under every convention, and the 14 observations."""
    clinical, bounds = entry['clinical'], entry['intervals']['clinical']['micro_F1']
    scores = clinical[policy_of(clinical)]
    classes = [[name, *numbers(values), str(values['support'])] for name, values in scores['per_class'].items()]
    precision, recall, f1 = numbers(scores['micro'])
    header, rows = conventions({'reports': clinical, 'constant report': constant_clinical(entry)})
    return [
        f'Clinical efficacy, labels by {clinical["labeler"]}. Default: 14 observations, micro, '
        f'{policy_of(clinical).replace("_", " ")}:\n'
        f'precision {precision}, recall {recall}, F1 {f1} {interval(bounds)}.',
        f'F1 under every convention:\n\n{markdown_table(header, rows, left=3)}\n\n{DEFAULT_CONVENTION}',
        markdown_table(['observation', 'precision', 'recall', 'F1', 'positive'], classes),
    ]


def policy_of(clinical: Mapping[str, Any]) -> str:
    """The key that names what uncertain observations count as."""
    return next(name for name in clinical if name.startswith('uncertain_'))


def merged_table(merged: Mapping[str, Any]) -> str:
    """Scores that another program computed; what was refused, in words."""
    entries = [(name, 'of the set', values) for name, values in merged['set'].items()]
    entries += [(name, 'mean over studies', values) for name, values in merged['scores'].items()]
    rows = [
        [
            name,
            kind,
            f'{values["value"]:.4f}',
            interval(values['interval']) if 'interval' in values else '',
            values['better'],
        ]
        for name, kind, values in entries
        if values.get('value') is not None
    ]
    notes = ''.join(f', {name} {text}' for name, text in merged['notes'].items())
    refused = [f'\n\n{values["refused"]}' for _, _, values in entries if 'refused' in values]
    table = markdown_table(['score', '', 'value', '95% interval', 'better'], rows, left=2)
    return f'From {merged["file"]}{notes}:\n\n{table}' + ''.join(refused)


def agreement_table(labels: Mapping[str, Sequence[int]], others: Mapping[str, Sequence[int]], uncertain: str) -> str:
    """Precision, recall and F1 per class of `labels` (1, 0, -1, -2) against `others` (0, 1, or -1 for ignored).

    Reports without another label are left out. An observation that the others ignore everywhere has no row.
    """
    pairs = [(row, label_row(name, others, open_i=True)) for name, row in labels.items()]
    pairs = [(row, other) for row, other in pairs if other is not None]
    if not pairs:
        raise ValueError('none of the reports has a label to compare with; are the ids those of the same data set?')
    ours, theirs = (np.array(side) for side in zip(*pairs, strict=True))
    columns = np.flatnonzero((theirs != IGNORED).any(0))
    compared = [OBSERVATIONS[column] for column in columns]
    both = without_ignored(positives(ours, uncertain), theirs)
    scores = classification_scores(*(side[:, columns] for side in both), compared)
    named = [(name, scores['per_class'][name]) for name in compared]
    named += [(f'**{average}**', scores[average]) for average in ('micro', 'macro')]
    rows = [[name, str(values.get('support', '')), *numbers(values, digits=3)] for name, values in named]
    table = markdown_table(('observation', 'positive', 'precision', 'recall', 'F1'), rows, padded=False)
    return f'{len(pairs)} reports, uncertain counted as {uncertain}\n\n{table}'


def footer(entry: Mapping[str, Any]) -> str:
    """The references' source, the run that wrote the predictions, and the versions."""
    made_by = entry['provenance']
    source = made_by['predictions']
    return '\n'.join(
        [
            f'References: {made_by["references"]}',
            f'Predictions: sha256 {source["sha256"]}',
            f'Bootstrap: {made_by["bootstrap"]["resamples"]} resamples, seed {made_by["bootstrap"]["seed"]}',
            caption(made_by),
        ]
    )


def interval(bounds: Sequence[float]) -> str:
    """[low, high]."""
    return f'[{bounds[0]:.4f}, {bounds[1]:.4f}]'


def signed(difference: Mapping[str, float]) -> str:
    """A difference with its interval."""
    return f'{difference["difference"]:+.4f} [{difference["low"]:+.4f}, {difference["high"]:+.4f}]'


def numbers(values: Mapping[str, float], digits: int = 4) -> list[str]:
    """Precision, recall, F1."""
    return [f'{values[name]:.{digits}f}' for name in ('precision', 'recall', 'F1')]
