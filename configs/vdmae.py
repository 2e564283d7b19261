"""Base+VDMAE of the ablation (paper Table IV): discriminative representation, no VTAC; on IU X-Ray.

    python -m camanet_jax.main --config=configs/vdmae.py --config.data_dir=/data/iu_xray

Paper, test split: BLEU-1 0.473, BLEU-4 0.177, METEOR 0.189, ROUGE-L 0.402, CIDEr 0.415.
"""

from camanet_jax.configuration import recipe


def get_config():
    """IU X-Ray's recipe without VTAC."""
    config = recipe('iu_xray')
    config.model.vtac = False
    return config
