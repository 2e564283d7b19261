"""The report of a synthetic study: a small grammar over its findings.

A report walks through devices, heart, mediastinum, lungs, pleura and bones, in an order that
varies, with a sentence or two for each. Findings are stated with side, zone and size; what is absent is
denied. The wording is random, so no model can reproduce a report exactly, and it depends on nothing but
the findings, so only the image tells which sentences are right.
"""

from collections.abc import Sequence

import numpy as np

from camanet_jax.synthetic.findings import Finding
from camanet_jax.synthetic.wording import ABNORMAL, ASIDES, NORMAL, ORDERS, SECTIONS

_DEGREE = {'small': 'mildly', 'moderate': 'moderately', 'large': 'markedly'}
_EXTENT = {'small': 'mild', 'moderate': 'moderate', 'large': 'severe'}
_LUNG = {'upper': 'upper lobe', 'mid': 'midlung', 'lower': 'lower lobe'}
_BOTH = {'upper': 'upper lobes', 'mid': 'midlungs', 'lower': 'lung bases'}
_RIB = {'upper': 'upper', 'mid': 'lateral', 'lower': 'lower'}


class Likeliest:
    """Takes a generator's place and always draws the likeliest: one wording for a finding, and no asides."""

    def random(self) -> float:
        return 1.0

    def choice(self, count: int, p: Sequence[float]) -> int:
        return max(range(count), key=p.__getitem__)


def write_report(findings: Sequence[Finding], rng: np.random.Generator | Likeliest) -> str:
    """The report of a study with these findings, sentences separated by a space."""
    present = {finding.kind for finding in findings}
    sections = {}
    for name, members in SECTIONS.items():
        positive = [_state(finding, rng) for finding in findings if finding.kind in members]
        sections[name] = positive + _deny(name, present, rng) + _add_asides(name, rng)
    if not present & {'cardiomegaly', 'wide_mediastinum'} and rng.random() < 0.3:
        sections['heart'] = [_choose(NORMAL['heart and mediastinum'], rng)]
        sections['mediastinum'] = _add_asides('mediastinum', rng)
    order = _choose(ORDERS, rng)
    return ' '.join(sentence for name in order for sentence in sections[name])


def _choose(options: Sequence[tuple[float, object]], rng: np.random.Generator | Likeliest):
    """Draws one of (weight, value)."""
    return options[rng.choice(len(options), p=[weight for weight, _ in options])][1]


def _state(finding: Finding, rng: np.random.Generator | Likeliest) -> str:
    """One sentence that states a finding."""
    template = _choose(ABNORMAL[finding.kind], rng)
    both = finding.side == 'bilateral'
    zones = _BOTH if both else _LUNG
    sentence = template.format(
        side=finding.side,
        size=finding.size,
        degree=_DEGREE.get(finding.size),
        extent=_EXTENT.get(finding.size),
        area=f'{finding.side} {zones[finding.zone]}' if finding.zone else '',
        rib=_RIB.get(finding.zone),
        article='' if both else 'a ',
        plural='s' if both else '',
        y='ies' if both else 'y',
        be='are' if both else 'is',
        verb='' if both else 's',
        angle='angles' if both else 'angle',
    )
    return sentence[0].upper() + sentence[1:]


def _deny(section: str, present: set[str], rng: np.random.Generator | Likeliest) -> list[str]:
    """Sentences on what a section does not show; findings elsewhere are left unsaid."""
    positive = present & set(SECTIONS[section])
    if section == 'devices':
        return []
    if section == 'pleura':
        absent = {'effusion', 'pneumothorax'} - positive
        names = ['pleura'] if len(absent) == 2 else [f'no {kind}' for kind in absent]
        return [_choose(NORMAL[name], rng) for name in names]
    if section == 'lungs' and positive:
        changed_only_in_volume = positive <= {'low_volumes', 'hyperexpanded'}
        clear = changed_only_in_volume or ('edema' not in positive and rng.random() < 0.5)
        return [_choose(NORMAL['rest of lungs'], rng)] if clear else []
    if section == 'lungs' and rng.random() < 0.35:
        return [_choose(NORMAL['lungs'], rng), _choose(NORMAL['vessels'], rng)]
    if positive or (section == 'bones' and rng.random() < 0.25):
        return []
    return [_choose(NORMAL[section], rng)]


def _add_asides(section: str, rng: np.random.Generator | Likeliest) -> list[str]:
    """Sentences that fill a report without being about a finding."""
    return [text for share, its_section, text in ASIDES if its_section == section and rng.random() < share]
