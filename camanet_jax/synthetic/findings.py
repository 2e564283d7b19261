"""Contents of a synthetic study: findings, the labels they imply, and how often they occur.

The long tail is CheXpert-like: a little over half of the studies have no finding, a handful of
findings make up most of the rest and often come together (a failing heart is large and wet), and
some occur once in fifty studies.
"""

import dataclasses

import numpy as np

from camanet_jax.data.schema import OBSERVATIONS

# The observations that each kind of finding makes positive. The last four kinds are variants of the
# normal: visible and reported, but not among the 14 observations.
OBSERVED = {
    'cardiomegaly': ('Cardiomegaly',),
    'wide_mediastinum': ('Enlarged Cardiomediastinum',),
    'opacity': ('Lung Opacity',),
    'consolidation': ('Consolidation',),
    'pneumonia': ('Pneumonia', 'Lung Opacity'),
    'edema': ('Edema',),
    'atelectasis': ('Atelectasis',),
    'nodule': ('Lung Lesion',),
    'effusion': ('Pleural Effusion',),
    'pneumothorax': ('Pneumothorax',),
    'thickening': ('Pleural Other',),
    'fracture': ('Fracture',),
    'pacemaker': ('Support Devices',),
    'port': ('Support Devices',),
    'central_line': ('Support Devices',),
    'endotracheal_tube': ('Support Devices',),
    'chest_tube': ('Support Devices',),
    'low_volumes': (),
    'hyperexpanded': (),
    'scoliosis': (),
    'degenerative': (),
}

NORMAL_SHARE = 0.55  # of the studies, before the devices and variants that may join them

# What abnormal studies are about: (weight, {kind: probability}).
SYNDROMES = (
    (0.16, {'cardiomegaly': 1.0, 'effusion': 0.6, 'edema': 0.4, 'pacemaker': 0.3}),
    (0.13, {'cardiomegaly': 1.0, 'pacemaker': 0.25}),
    (0.17, {'opacity': 1.0, 'effusion': 0.2}),
    (0.08, {'pneumonia': 1.0, 'effusion': 0.25}),
    (0.06, {'consolidation': 1.0, 'effusion': 0.3}),
    (0.15, {'effusion': 1.0, 'atelectasis': 0.35}),
    (0.26, {'pneumothorax': 1.0, 'chest_tube': 0.35, 'fracture': 0.08}),
    (0.07, {'endotracheal_tube': 1.0, 'central_line': 0.6, 'opacity': 0.5, 'effusion': 0.4}),
    (0.09, {'atelectasis': 1.0, 'low_volumes': 0.4}),
    (0.06, {'nodule': 1.0}),
    (0.05, {'wide_mediastinum': 1.0, 'cardiomegaly': 0.2}),
    (0.04, {'thickening': 1.0}),
    (0.03, {'fracture': 1.0}),
)

# Kinds that any study may show in addition, with their probabilities; normal studies too.
BYSTANDERS = {'port': 0.03, 'pacemaker': 0.03, 'central_line': 0.02}
BYSTANDERS |= {'low_volumes': 0.05, 'hyperexpanded': 0.06, 'scoliosis': 0.03, 'degenerative': 0.12}

SIZES, SIZE_SHARES = ('small', 'moderate', 'large'), (0.35, 0.35, 0.3)
ZONES, ZONE_SHARES = ('upper', 'mid', 'lower'), (0.25, 0.25, 0.5)

# Kinds with a side, and the probability that both sides show it.
BILATERAL_SHARE = {'opacity': 0.15, 'pneumonia': 0.1, 'atelectasis': 0.4, 'effusion': 0.35}
BILATERAL_SHARE |= dict.fromkeys(('consolidation', 'nodule', 'pneumothorax', 'thickening', 'fracture'), 0.0)
BILATERAL_SHARE |= dict.fromkeys(('pacemaker', 'port', 'central_line', 'chest_tube'), 0.0)
_SIZED = ('cardiomegaly', 'opacity', 'effusion', 'pneumothorax', 'edema')
_ZONED = ('opacity', 'consolidation', 'pneumonia', 'atelectasis', 'nodule', 'fracture')
_USUAL_SIDE = {'pacemaker': 'left', 'port': 'right', 'central_line': 'right'}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One finding of a study; a word that does not apply is empty."""

    kind: str  # a key of OBSERVED
    side: str = ''  # left, right or bilateral, of the patient
    zone: str = ''  # upper, mid or lower
    size: str = ''  # small, moderate or large

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides on which the finding is drawn."""
        return ('right', 'left') if self.side == 'bilateral' else (self.side,)


def sample_findings(rng: np.random.Generator) -> tuple[Finding, ...]:
    """Draws what one study shows, in the order of OBSERVED; often nothing."""
    present = {kind for kind, share in BYSTANDERS.items() if rng.random() < share}
    if rng.random() >= NORMAL_SHARE:
        weights = np.array([weight for weight, _ in SYNDROMES])
        _, syndrome = SYNDROMES[rng.choice(len(SYNDROMES), p=weights / weights.sum())]
        present |= {kind for kind, share in syndrome.items() if rng.random() < share}
    if 'low_volumes' in present:
        present.discard('hyperexpanded')
    lead_side = str(rng.choice(['left', 'right']))
    return tuple(_specify(kind, present, lead_side, rng) for kind in OBSERVED if kind in present)


def _specify(kind: str, present: set[str], lead_side: str, rng: np.random.Generator) -> Finding:
    """Gives a finding its side, zone and size."""
    # An effusion would hide a finding in the lower zone.
    shares = (0.45, 0.55, 0.0) if 'effusion' in present else ZONE_SHARES
    zone = str(rng.choice(ZONES, p=shares)) if kind in _ZONED else ''
    if kind == 'atelectasis' and 'effusion' not in present:
        zone = 'lower'
    size = str(rng.choice(SIZES, p=SIZE_SHARES)) if kind in _SIZED else ''
    return Finding(kind, _side(kind, lead_side, rng), zone, size)


def _side(kind: str, lead_side: str, rng: np.random.Generator) -> str:
    """Draws a side: findings of one study tend to share it, devices have a usual one."""
    if kind not in BILATERAL_SHARE:
        return ''
    if rng.random() < BILATERAL_SHARE[kind]:
        return 'bilateral'
    if kind in ('pneumothorax', 'chest_tube'):
        return lead_side
    usual = _USUAL_SIDE.get(kind, lead_side)
    other = 'left' if usual == 'right' else 'right'
    return usual if rng.random() < 0.8 else other


def labels_of(findings: tuple[Finding, ...]) -> tuple[int, ...]:
    """The labels [Y] of 0 or 1, in the order of OBSERVATIONS; Support Devices alone do not deny No Finding."""
    present = {name for finding in findings for name in OBSERVED[finding.kind]}
    if not present - {'Support Devices'}:
        present.add('No Finding')
    return tuple(int(name in present) for name in OBSERVATIONS)
