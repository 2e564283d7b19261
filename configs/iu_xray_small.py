"""IU X-Ray in reach of a laptop: a small CAMANet on films of 64 pixels.

    python -m camanet_jax.main --config=configs/iu_xray_small.py --config.data_dir=/data/iu_xray

A network of 0.8 million parameters, untrained at the start. What was tried before stands in docs/experiments.md. Seven
of ten train studies have no finding: left to itself, so small a model writes one normal report for everybody. Words
that name a study's findings therefore count six times in the report's NLL, and positive findings four times in the
classifier's loss (camanet_jax/extra/findings.py). The search is greedy, since normal reports are worded alike and the
likeliest whole report is one of them long before the likeliest next word is. The last epoch is scored, since BLEU would
select one whose reports are all normal.
"""

from ml_collections import ConfigDict

from camanet_jax.configuration import recipe


def get_config():
    """IU X-Ray's recipe, made small."""
    config = recipe('iu_xray')
    config.seed = 0
    config.epochs = 18
    config.selection = 'last'
    config.batch_size = 16
    config.data.update(image_size=64, resize_size=73, num_workers=0, train_augment='paper')
    config.model.update(width=96, feed_forward=192, heads=4, encoder_layers=1, decoder_layers=1, projection_dropout=0.1)
    config.model.backbone_options = ConfigDict(dict(blocks=(3, 3, 3), growth=16, stem=32))
    config.loss.extra = ('camanet_jax.extra.findings:FindingWords', 'camanet_jax.extra.findings:missed_findings')
    config.loss.extra_weights = (5.0, 3.0)
    config.optimiser.update(lr_backbone=2e-3, lr_decoder=2e-3, decay_epochs=6, decay_rate=0.25)
    config.search.beam_size = 1
    config.evaluation.update(batch_size=74, shuffled_control=True)
    return config
