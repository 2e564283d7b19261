"""The Base system of the ablation (paper Table IV): no classifier, no VDM, no VTAC; on IU X-Ray.

    python -m camanet_jax.main --config=configs/base.py --config.data_dir=/data/iu_xray

Paper, test split: BLEU-1 0.451, BLEU-4 0.159, METEOR 0.175, ROUGE-L 0.365, CIDEr 0.336.
"""

from camanet_jax.configuration import recipe


def get_config():
    """IU X-Ray's recipe without the paper's additions; no labels file is needed."""
    config = recipe('iu_xray')
    config.data.options.labels_required = False
    config.model.update(vdmae=False, vtac=False)
    return config
