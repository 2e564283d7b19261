"""R2Gen (Chen et al., EMNLP 2020) on IU X-Ray: the Base system with ResNet-101, in its published recipe.

    python scripts/convert_checkpoint.py --from_torch model_iu_xray.pth --config=configs/r2gen.py \
        --annotation /data/iu_xray/annotation.json --output runs/r2gen
    python -m camanet_jax.main --config=configs/r2gen.py --config.data_dir=/data/iu_xray \
        --config.backbone_weights=resnet101-63fe2227.pth

Its checkpoints run here (docs/checkpoints.md). Two differences in training: R2Gen takes the later of two epochs with
equal scores, and trains on the incomplete last batch of an epoch, which is dropped here. It stops after more than 50
epochs without a gain.
"""

from camanet_jax.configuration import recipe


def get_config():
    """ResNet-101's recipe with R2Gen's numbers; no labels file is needed."""
    config = recipe('resnet101')
    config.variant = 'official'
    config.update(seed=9223, epochs=100, early_stop=51, batch_size=16, selection='bleu_4')
    config.data.options.labels_required = False
    config.model.update(vdmae=False, vtac=False)
    config.optimiser.update(lr_backbone=5e-5, lr_decoder=1e-4, decay_epochs=50, decay_rate=0.1, schedule_lag=0)
    return config
