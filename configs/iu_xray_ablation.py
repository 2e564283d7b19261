"""The paper's Table IV on real films: the systems of the ablation with the recipe of configs/iu_xray_small.py.

    python scripts/run_ablations.py --config=configs/iu_xray_ablation.py --config.data_dir=/data/iu_xray \
        --systems=base,bce_only,vdmae,camanet,camanet_official --seeds=5 --output=runs/iu_xray_ablation

Fixed before the first run, in camanet_jax/lab/ablation/endpoints.py: the endpoints are macro F1 over the 13
observations without No Finding, CIDEr and BLEU-4 on test at the last epoch; the epoch that BLEU selects on val is
reported beside it; systems are compared run by run with the same seed. At least three seeds of each system, five of
base, vdmae and camanet. Images and schedule are the paper's in every system, so that the variants differ in the maps
alone and share one Base.
"""

from camanet_jax.configuration import recipe


def get_config():
    """The small recipe; the last epoch is scored beside the selected one."""
    config = recipe('iu_xray_small')
    config.selection = 'bleu'
    config.early_stop = config.epochs  # every run sees the same number of epochs
    config.data.eval_transform = 'paper'
    config.optimiser.schedule_lag = 0
    config.evaluation.update(shuffled_control=False, figures=0)
    return config
