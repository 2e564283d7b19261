"""R2Gen on MIMIC-CXR (Chen et al., EMNLP 2020), in its published recipe.

    python scripts/convert_checkpoint.py --from_torch model_mimic_cxr.pth --config=configs/r2gen_mimic.py \
        --annotation /data/mimic_cxr/annotation.json --output runs/r2gen_mimic

Films are flipped in training, and neither rotated nor scaled, as on IU X-Ray.
"""

from camanet_jax.configuration import recipe


def get_config():
    """R2Gen's recipe with MIMIC-CXR's numbers."""
    config = recipe('r2gen')
    config.update(seed=456789, epochs=30, data_dir='data/mimic_cxr')
    config.data.update(views=1, cleaner='mimic_cxr', threshold=10, max_seq_length=100, num_workers=8)
    config.optimiser.update(decay_epochs=1, decay_rate=0.8)
    return config
