"""Beyond the paper: word attention drawn to the maps by mass, word by word, and a decoder that can read the VDM.

    python -m camanet_jax.main --config=configs/alignment.py --config.data_dir=/data/iu_xray

IU X-Ray's recipe with VTAC replaced by the losses of camanet_jax/extra/alignment.py (docs/extend.md).
"""

from camanet_jax.configuration import recipe


def get_config():
    """IU X-Ray's recipe, aligned by other losses."""
    config = recipe('iu_xray')
    config.loss.vtac_weight = 0.0  # its word selection stays
    config.loss.extra = ('camanet_jax.extra.alignment:mass', 'camanet_jax.extra.alignment:ClassWords')
    config.loss.extra_weights = (0.1, 0.1)
    config.model.vdm_bias = True
    return config
