"""A small real data set of single frontal films in the common layout, trained like MIMIC-CXR at full model size.

    python -m camanet_jax.main --config=configs/nih_sample.py --config.data_dir=/data/nih_sample

Made for NIH ChestX-ray14 films with templated reports (481/52/88 studies): it shows that real films train end to end,
and is the pattern for your own data. Scores mean little here: the reports are templates, and the backbone starts
untrained unless `backbone_weights` names ImageNet weights. One epoch takes minutes on two CPU cores, much of it
compilation.
"""

from camanet_jax.configuration import recipe


def get_config():
    """MIMIC-CXR's recipe for some hundred studies."""
    config = recipe('mimic')
    config.seed = 0
    config.batch_size = 16
    config.data_dir = 'data/nih_sample'
    config.data.update(threshold=3, num_workers=0)
    config.optimiser.update(lr_backbone=2e-4, lr_decoder=5e-4, warmup_epochs=0)
    config.evaluation.update(batch_size=16)
    return config
