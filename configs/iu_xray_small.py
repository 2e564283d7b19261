"""IU X-Ray within reach of a laptop: a small CAMANet on films of 64 pixels.

    python -m camanet_jax.main --config=configs/iu_xray_small.py --config.data_dir=/data/iu_xray

Eight minutes on two quiet CPU cores (940 s of CPU time; 2026-11-27, seed 0). Test: macro F1 over the 13 findings 0.045
(the best constant report 0; lead 0.027 to 0.065, over its own reports shuffled 0.021 to 0.062), micro F1 over 14
observations 0.741 (constant 0.747), BLEU-4 0.093 (constant 0.172), CIDEr 0.351 (constant 0.285); 12 distinct reports of
590, 90% copied from train. All scores: docs/results.md; what was tried before: docs/experiments.md.

A network of 0.8 million parameters, untrained at the start. Seven of ten train studies have no finding, and attempts
without weights wrote one normal report for every study. Words that name a study's findings therefore count six times in
the report's NLL, and positive findings four times in the classifier's loss (camanet_jax/extra/findings.py). The search
is greedy: beams of 3 were no better at the end of training, and named findings later. The last epoch is scored, since
BLEU would select one whose reports are all normal.
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
