"""A run of seconds through the real front door: the demo's recipe with everything as small as it goes.

python -m camanet_jax.main --config=tests/tiny.py --workdir=... --config.data_dir=...
"""

from ml_collections import ConfigDict

from camanet_jax.configuration import recipe

TRAIN, VAL, TEST = 24, 6, 6  # studies
STEPS_PER_EPOCH = 3


def get_config():
    """Two epochs of three steps."""
    config = recipe('demo')
    config.epochs = 2
    config.batch_size = 8
    config.matmul_precision = 'highest'  # tests compare with exact products on any device
    config.data.update(max_seq_length=16, image_size=32, resize_size=36, threshold=2)
    config.data.options = ConfigDict(dict(image_size=40, train_studies=TRAIN, val_studies=VAL, test_studies=TEST))
    config.model.update(width=16, feed_forward=16, heads=2)
    config.model.backbone_options = ConfigDict(dict(blocks=(1, 1), growth=4, stem=8))
    config.evaluation.update(batch_size=8, figures=1)
    return config
