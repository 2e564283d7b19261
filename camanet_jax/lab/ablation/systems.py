"""The systems of the paper's ablation (section IV-G), each as the fields of a configuration that it changes."""

import re
from typing import Any

from ml_collections import ConfigDict

from camanet_jax.configuration import fill_variant
from camanet_jax.metrics.classification import FINDINGS

BASE = {'model.vdmae': False, 'model.vtac': False, 'model.contrastive': False, 'loss.contrastive_weight': 0.0}
VDMAE = BASE | {'model.vdmae': True}
CAMANET: dict[str, Any] = VDMAE | {'model.vtac': True}
OFFICIAL = {'variant': 'official'}
LOSSES = 'loss.extra'  # of a system: they come in VTAC's place
WEIGHT = 'loss.extra_weights'  # of each of them; VTAC's where a system does not say


def contrastive(weight: float) -> dict[str, Any]:
    """An image-text contrastive loss in VTAC's place."""
    return VDMAE | {'model.contrastive': True, 'loss.contrastive_weight': weight}


SYSTEMS: dict[str, dict[str, Any]] = {
    'base': BASE,
    'bce_only': VDMAE | {'model.cam_classes': ()},  # the classifier's loss alone: its VDM is empty
    'vdmae': VDMAE,
    'camanet': CAMANET,
    'clip_0.1': contrastive(0.1),
    'clip_0.25': contrastive(0.25),
    'vdmae_official': VDMAE | OFFICIAL,
    'camanet_official': CAMANET | OFFICIAL,
    'camanet_soft': CAMANET | {'model.tdm_selection': 'soft'},
    # Their VDM shows findings alone.
    'vdmae_findings': VDMAE | {'model.cam_classes': FINDINGS},
    'camanet_findings': CAMANET | {'model.cam_classes': FINDINGS},
}
# Why VTAC aligns or not: one part exchanged, then others as well.
PARTS = 'camanet_jax.lab.alignment.interventions'
MASKS = {'model.network': f'{PARTS}:MaskedCamanet', 'data.extras': (f'{PARTS}:lesions',)}


def towards_masks(loss: str) -> dict[str, Any]:
    """One of the interventions' losses with the true map in the VDM's place."""
    return CAMANET | MASKS | {LOSSES: (f'{PARTS}:{loss}',)}


SYSTEMS |= {
    'true_map': towards_masks('true_map_similar_words'),
    'own_words': CAMANET | {LOSSES: (f'{PARTS}:VdmOwnWords',)},
    'true_map_own_words': towards_masks('TrueMapOwnWords'),
    'true_map_predicted_words': towards_masks('TrueMapPredictedWords'),
    'true_map_own_mass': towards_masks('TrueMapOwnMass'),
    'true_map_predicted_mass': towards_masks('TrueMapPredictedMass'),
    'true_map_own_divergence': towards_masks('TrueMapOwnDivergence'),
    'true_map_own_mean': towards_masks('TrueMapOwnMean'),
    'true_map_own_maximum_mass': towards_masks('TrueMapOwnMaximumMass'),
    'true_map_own_scaled_mass': towards_masks('TrueMapOwnScaledMass'),
    'true_map_own_squares': towards_masks('TrueMapOwnSquares'),
    'mean_of_words': CAMANET | {LOSSES: (f'{PARTS}:vdm_mean_of_words',)},
    'predicting_row': CAMANET | {'model.tdm_row': 'predicting'},
}
# Beyond the paper (docs/extend.md). At VTAC's weight these losses cost the reports their findings.
LIGHT = {WEIGHT: 0.02}
BEYOND = 'camanet_jax.extra.alignment'
SYSTEMS |= {
    'mass': CAMANET | LIGHT | {LOSSES: (f'{BEYOND}:mass',)},
    'class_words': VDMAE | LIGHT | {LOSSES: (f'{BEYOND}:ClassWords',)},
    'vdm_bias': VDMAE | {'model.vdm_bias': True},
    'class_words_bias': VDMAE | LIGHT | {'model.vdm_bias': True, LOSSES: (f'{BEYOND}:ClassWords',)},
    'aligned': CAMANET | LIGHT | {'model.vdm_bias': True, LOSSES: (f'{BEYOND}:mass', f'{BEYOND}:ClassWords')},
}
PEAKED = {'model.network': 'camanet_jax.extra.pooling:PeakedCamanet'}
POOLED = ('bce_only', 'vdmae', 'camanet', 'class_words', 'aligned')
SYSTEMS |= {f'peaked_{name}': SYSTEMS[name] | PEAKED for name in POOLED}
# The names in the paper's tables; other systems keep their own.
PRINTED_NAMES = {
    'base': 'Base',
    'vdmae': '+VDMAE',
    'camanet': '+VDMAE+VTAC',
    'clip_0.1': '+VDMAE+CLIP(0.1)',
    'clip_0.25': '+VDMAE+CLIP(0.25)',
}
TIMED = ('base', 'camanet')  # the systems of Tables VI and VII
SWEPT = re.compile(r'(?P<system>camanet\w*)_k(?P<k>0\.\d+)')
PAPER_SWEEP = ('0.15', '0.20', '0.25', '0.30', '0.35')  # k of Figures 4 and 5


def system_fields(name: str) -> dict[str, Any]:
    """The fields of a configuration that a system changes; `camanet_k0.15` is `camanet` with k = 0.15.

    Raises:
      ValueError: there is no such system.
    """
    if name in SYSTEMS:
        return SYSTEMS[name]
    swept = SWEPT.fullmatch(name)
    if swept and swept['system'] in SYSTEMS:
        return SYSTEMS[swept['system']] | {'loss.topk': float(swept['k'])}
    raise ValueError(
        f'Expected --systems to be among {", ".join(SYSTEMS)}, or one with VTAC and a share of words such '
        f'as camanet_k0.15; got {name!r}.'
    )


def system_config(config: ConfigDict, name: str, seed: int) -> ConfigDict:
    """The resolved configuration of one run of a system."""
    changed, fields = config.copy_and_resolve_references(), dict(system_fields(name))
    weight = fields.pop(WEIGHT, changed.loss.vtac_weight)
    if losses := fields.pop(LOSSES, ()):
        weights = (weight,) * len(losses)
        changed.loss.update(
            extra=(*changed.loss.extra, *losses), extra_weights=(*changed.loss.extra_weights, *weights), vtac_weight=0.0
        )
    changed.update_from_flattened_dict(fields | {'seed': config.seed + seed})
    return fill_variant(changed)


def printed_name(name: str) -> str:
    """The name that tables show."""
    return PRINTED_NAMES.get(name, name)
