"""The demo: a small CAMANet on synthetic chest films, in minutes on two CPU cores, nothing downloaded.

    python -m camanet_jax.main --config=configs/demo.py --workdir=runs/demo

The same code as the full recipes; only sizes and learning rates differ. The films, reports and lesion masks are made on
first use. It shows that the system learns from the images: on the test split it beats the best constant report and its
own reports shuffled among studies.
"""

from ml_collections import ConfigDict

from camanet_jax.configuration import recipe


def get_config():
    """IU X-Ray's recipe, made small."""
    config = recipe('iu_xray')
    config.seed = 0
    config.epochs = 12
    config.batch_size = 16
    config.data_dir = 'data/synthetic'
    config.data.update(
        name='synthetic', max_seq_length=68, image_size=64, resize_size=70, num_workers=0, train_augment='paper'
    )  # never flipped: the reports tell left from right
    config.data.options = ConfigDict(dict(image_size=80, train_studies=1600, val_studies=120, test_studies=300))
    config.model.update(width=96, feed_forward=96, heads=4, encoder_layers=1, decoder_layers=1, projection_dropout=0.1)
    config.model.backbone_options = ConfigDict(dict(blocks=(3, 3, 3), growth=16, stem=32))
    config.optimiser.update(lr_backbone=2e-3, lr_decoder=2e-3, decay_epochs=8, decay_rate=0.3)
    config.evaluation.update(batch_size=60, shuffled_control=True)
    return config
