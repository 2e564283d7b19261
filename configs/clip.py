"""Base+VDMAE with a contrastive image-text loss in VTAC's place (paper section IV-G); on MIMIC-CXR.

    python -m camanet_jax.main --config=configs/clip.py --config.data_dir=/data/mimic_cxr

Weight 0.1; --config.loss.contrastive_weight=0.25 is the paper's other row. Paper, test split, weight 0.1: BLEU-1 0.342,
BLEU-4 0.102, METEOR 0.138, ROUGE-L 0.278, CIDEr 0.154.
"""

from camanet_jax.configuration import recipe


def get_config():
    """MIMIC-CXR's recipe with the contrastive loss."""
    config = recipe('mimic')
    config.model.update(vtac=False, contrastive=True)
    config.loss.contrastive_weight = 0.1
    return config
