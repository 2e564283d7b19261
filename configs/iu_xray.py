"""CAMANet on IU X-Ray: the paper's recipe (J-BHI 2024, section IV-C), two views per study.

    python -m camanet_jax.main --config=configs/iu_xray.py --config.data_dir=/data/iu_xray

Paper, test split: BLEU-1 0.504, BLEU-4 0.218, METEOR 0.203, ROUGE-L 0.404, CIDEr 0.418. One constant report scores
BLEU-4 0.172 on this split: compare with the constant baseline that every run prints.
"""

from camanet_jax.configuration import recipe


def get_config():
    """MIMIC-CXR's recipe with IU X-Ray's numbers."""
    config = recipe('mimic')
    config.seed = 2401
    config.batch_size = 32
    config.data_dir = 'data/iu_xray'
    config.data.update(views=2, cleaner='iu_xray', threshold=3, max_seq_length=60, official_augment='iu', num_workers=4)
    config.loss.update(vtac_weight=0.15, topk=0.25)
    config.optimiser.update(lr_backbone=1e-3, lr_decoder=2e-3, warmup_epochs=0)
    return config
