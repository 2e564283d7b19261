"""R2GenCMN on MIMIC-CXR (Chen et al., ACL 2021), in its published recipe.

    python scripts/convert_checkpoint.py --from_torch model_mimic_cxr.pth --config=configs/r2gencmn_mimic.py \
        --annotation /data/mimic_cxr/annotation.json --output runs/r2gencmn_mimic
"""

from camanet_jax.configuration import recipe


def get_config():
    """R2GenCMN's recipe with MIMIC-CXR's numbers."""
    config = recipe('r2gencmn')
    config.update(seed=9153, epochs=30, data_dir='data/mimic_cxr')
    config.data.update(views=1, cleaner='mimic_cxr', threshold=10, max_seq_length=100, num_workers=8)
    config.optimiser.decay_epochs = 3
    return config
