"""The ablation within reach of two CPU cores: small systems on synthetic chest films, some minutes a run.

    python scripts/run_ablations.py --config=configs/ablation.py --systems=base,vdmae,camanet,clip_0.1,clip_0.25 \
        --seeds=3 --output=runs/ablation

The demo's films, one view, with reports that say the same thing always in the same words, and a smaller network without
dropout: in 1,200 steps it learns to name findings. The last checkpoint is scored. Films are read whole, so that the
lesions' masks lie on them as they are. Images and schedule are the paper's in every system, so that the variants differ
in the maps alone and share one Base.
"""

from ml_collections import ConfigDict

from camanet_jax.configuration import recipe


def get_config():
    """The demo's recipe, made smaller."""
    config = recipe('demo')
    config.epochs = 6
    config.batch_size = 8
    config.selection = 'last'
    config.data.update(views=1, extra_views='first', max_seq_length=60, eval_transform='paper')
    config.data.update(train_augment='none', resize_size=64)
    config.data.options.update(plain=True, test_studies=1000)
    config.model.update(width=64, feed_forward=64, dropout=0.0, projection_dropout=0.0)
    config.model.backbone_options = ConfigDict(dict(blocks=(3, 3), growth=16, stem=16))  # maps of 8 x 8
    config.optimiser.update(lr_backbone=4e-3, decay_epochs=4, schedule_lag=0)
    config.evaluation.update(shuffled_control=False, figures=0)
    return config
