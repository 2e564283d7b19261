"""Beyond the paper: word attention that lies where the findings are (docs/extend.md).

    python -m camanet_jax.main --config=configs/alignment.py --config.data_dir=/data/iu_xray
    python -m camanet_jax.main --config=configs/alignment.py:mass --config.data_dir=/data/iu_xray

IU X-Ray's recipe with other parts in VTAC's place: those named after the colon, joined by commas, or all four.
"""

from camanet_jax.configuration import recipe

LOSSES = {
    'mass': 'camanet_jax.extra.alignment:mass',  # of the words VTAC selects
    'class_words': 'camanet_jax.extra.alignment:ClassWords',  # of each finding's own words
}
OTHERS = ('vdm_bias', 'peaked')  # the decoder reads the VDM; a classifier with peaked maps


def get_config(parts: str = 'mass,class_words,vdm_bias,peaked'):
    """IU X-Ray's recipe, aligned by `parts`."""
    chosen = parts.split(',')
    if unknown := set(chosen) - {*LOSSES, *OTHERS}:
        raise ValueError(f'Expected parts among {", ".join((*LOSSES, *OTHERS))} after the colon, got {min(unknown)!r}.')
    config = recipe('iu_xray')
    config.loss.extra = tuple(LOSSES[part] for part in chosen if part in LOSSES)
    config.loss.extra_weights = (0.02,) * len(config.loss.extra)  # at VTAC's weight reports name fewer findings
    config.loss.vtac_weight = 0.0
    config.model.vtac = 'mass' in chosen  # it needs the selection
    config.model.vdm_bias = 'vdm_bias' in chosen
    if 'peaked' in chosen:
        config.model.network = 'camanet_jax.extra.pooling:PeakedCamanet'
    return config
