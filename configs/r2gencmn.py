"""R2GenCMN (Chen et al., ACL 2021) on IU X-Ray, in its published recipe: a network of one file, extra/r2gencmn.py.

    python scripts/convert_checkpoint.py --from_torch model_iu_xray.pth --config=configs/r2gencmn.py \
        --annotation /data/iu_xray/annotation.json --output runs/r2gencmn
    python -m camanet_jax.main --config=configs/r2gencmn.py --config.data_dir=/data/iu_xray \
        --config.backbone_weights=resnet101-63fe2227.pth

In training it differs from the published program as R2Gen's recipe does (configs/r2gen.py).
"""

from ml_collections import ConfigDict

from camanet_jax.configuration import recipe


def get_config():
    """R2Gen's recipe with R2GenCMN's network and numbers."""
    config = recipe('r2gen')
    config.seed = 7580
    config.model.network = 'camanet_jax.extra.r2gencmn:R2GenCMN'
    config.model.network_options = ConfigDict(dict(memory_rows=2048, rows_read=32))
    config.model.memory_slots = 0
    config.optimiser.update(lr_backbone=1e-4, lr_decoder=5e-4, decay_epochs=10, decay_rate=0.8)
    config.optimiser.update(clip_value=None, b2=0.98, eps=1e-9)
    return config
