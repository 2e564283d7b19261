"""The two variants: what the paper says, and what the authors' program does where it differs.

A variant only fills fields that a configuration left as None, so that each can be set alone. The README's table has one
row per field.
"""

from ml_collections import ConfigDict

VARIANTS = {
    'paper': {
        'model.vdm_norm': 'class',
        'model.tdm_query': 'discriminative',
        'model.tdm_word_vectors': 'embedding',
        'model.tdm_candidates': 'words',
        'model.tdm_norm': 'word',
        'model.tdm_weight': 'similarity',
        'loss.tdm_count': 'words',
        'data.train_augment': 'paper',
        'data.eval_transform': 'paper',
        'optimiser.schedule_lag': 0,
    },
    'official': {
        'model.vdm_norm': 'map',
        'model.tdm_query': 'first_visual',
        'model.tdm_word_vectors': 'decoder_input',
        'model.tdm_candidates': 'words_and_bos',
        'model.tdm_norm': 'map',
        'model.tdm_weight': 'similarity',
        'loss.tdm_count': 'official',
        'data.train_augment': 'official',
        'data.eval_transform': 'official',
        'optimiser.schedule_lag': 1,
    },
}


def fill_variant(config: ConfigDict) -> ConfigDict:
    """A frozen-in copy of `config` in which no field of the variant is None."""
    if config.variant not in VARIANTS:
        raise ValueError(f'Expected variant to be one of {sorted(VARIANTS)}, got {config.variant!r}.')
    filled = config.copy_and_resolve_references()
    with filled.unlocked():
        for path, value in VARIANTS[config.variant].items():
            section, field = path.split('.')
            if filled[section][field] is None:
                filled[section][field] = value
        if filled.data.train_augment == 'official':
            filled.data.train_augment = f'official_{filled.data.official_augment}'
    return filled
