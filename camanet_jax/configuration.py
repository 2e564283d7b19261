"""Configurations: recipes, the two variants that complete them, and their form as data, recorded with a run.

One variant follows the paper, the other the authors' program where it differs. A variant only fills fields that a
configuration leaves as None, so that each can be set alone; docs/method.md has a row for each.
"""

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from camanet_jax.extensions import load_file

VARIANTS = {
    'paper': {
        'early_stop': 10,
        'model.vdm_norm': 'class',
        'model.tdm_query': 'discriminative',
        'model.tdm_word_vectors': 'embedding',
        'model.tdm_candidates': 'words',
        'model.tdm_row': 'reading',
        'model.tdm_norm': 'word',
        'model.tdm_weight': 'similarity',
        'loss.tdm_count': 'words',
        'loss.report_mean': 'tokens',
        'data.train_augment': 'paper',
        'data.eval_transform': 'paper',
        'optimiser.schedule_lag': 0,
    },
    'official': {
        'early_stop': 11,
        'model.vdm_norm': 'map',
        'model.tdm_query': 'first_visual',
        'model.tdm_word_vectors': 'decoder_input',
        'model.tdm_candidates': 'words_and_bos',
        'model.tdm_row': 'reading',
        'model.tdm_norm': 'map',
        'model.tdm_weight': 'similarity',
        'loss.tdm_count': 'official',
        'loss.report_mean': 'tokens',
        'data.train_augment': 'official',
        'data.eval_transform': 'official',
        'optimiser.schedule_lag': 1,
    },
}

BELOW_1 = math.nextafter(1, 0)
# Ranges of numbers that would otherwise fail late, or with an error that does not name the field.
RANGES = {
    'seed': (0, 2**32 - 1),
    'epochs': (1, math.inf),
    'early_stop': (1, math.inf),
    'accumulate': (1, math.inf),
    'checkpoint_every_minutes': (0, math.inf),
    'data.views': (1, math.inf),
    'data.image_size': (1, math.inf),
    'data.threshold': (1, math.inf),
    'data.max_seq_length': (3, math.inf),
    'data.num_workers': (0, 1024),
    'data.prefetch': (0, 1024),
    'model.width': (1, math.inf),
    'model.feed_forward': (1, math.inf),
    'model.heads': (1, math.inf),
    'model.encoder_layers': (0, math.inf),
    'model.decoder_layers': (1, math.inf),
    'model.memory_slots': (0, math.inf),
    'model.dropout': (0, BELOW_1),
    'model.projection_dropout': (0, BELOW_1),
    'model.tdm_temperature': (1e-6, math.inf),
    'loss.topk': (0, 1),
    'loss.pseudo_label_weight': (0, math.inf),
    'loss.vtac_weight': (0, math.inf),
    'loss.contrastive_weight': (0, math.inf),
    'loss.report_weight': (0, math.inf),
    'optimiser.lr_backbone': (0, math.inf),
    'optimiser.lr_decoder': (0, math.inf),
    'optimiser.warmup_epochs': (0, math.inf),
    'optimiser.warmup_from': (0, math.inf),
    'optimiser.decay_epochs': (1, math.inf),
    'optimiser.decay_rate': (0, math.inf),
    'optimiser.clip_value': (0, math.inf),
    'optimiser.weight_decay': (0, math.inf),
    'optimiser.b1': (0, BELOW_1),
    'optimiser.b2': (0, BELOW_1),
    'optimiser.eps': (0, math.inf),
    'search.beam_size': (1, math.inf),
    'evaluation.figures': (0, math.inf),
}

# A wheel carries the recipes inside the package; a checkout has them beside it.
PACKAGED = Path(__file__).parent / 'recipes'
RECIPES = PACKAGED if PACKAGED.is_dir() else Path(__file__).parents[1] / 'configs'

PATHS = 'data_dir', 'cache_dir', 'init_from', 'backbone_weights', 'compile_cache'  # a leading ~ is the user's home

# Fields that do not change the results of a run, only where its files are and how fast it is.
FREE = (
    'data_dir',
    'cache_dir',
    'compile_cache',
    'checkpoint_every_minutes',
    'data.num_workers',
    'data.prefetch',
    'evaluation.batch_size',
    'evaluation.figures',
    'model.backbone_options.remat',
)


class UnknownField(KeyError):
    """A field that a configuration does not have; the message lists its fields."""


class Config(ConfigDict):
    """A `ConfigDict`, whole or a section, whose error for an unknown field lists the existing ones."""

    def __setitem__(self, key, value):
        super().__setitem__(key, Config(value) if type(value) is ConfigDict else value)  # sections of a section, too

    def _generate_did_you_mean_message(self, request, message=''):  # called for every field that is not there
        raise UnknownField(f'the configuration has no field {request!r} here; there are {", ".join(self) or "none"}.')


def fill_variant(config: ConfigDict) -> ConfigDict:
    """Returns a locked copy of `config` whose empty fields have the values of its variant.

    Raises:
      ValueError: there is no such variant, or a number is out of its range.
    """
    if config.variant not in VARIANTS:
        raise ValueError(f'Expected variant to be one of {sorted(VARIANTS)}, got {config.variant!r}.')
    filled = config.copy_and_resolve_references()
    with filled.unlocked():
        for name in PATHS:
            filled[name] = os.path.expanduser(filled[name])
        for path, value in VARIANTS[config.variant].items():
            *section, field = path.split('.')
            fields = filled[section[0]] if section else filled
            if fields[field] is None:
                fields[field] = value
        if filled.data.train_augment == 'official':
            filled.data.train_augment = f'official_{filled.data.official_augment}'
    values = flatten(filled.to_dict())
    for path, (least, most) in RANGES.items():
        value = values.get(path)  # None: clip_value's way of saying never
        if value is not None and not least <= value <= most:
            raise ValueError(f'Expected {path} from {least} to {most}, got {value} (--config.{path}).')
    if values['model.width'] % values['model.heads']:
        width, heads = values['model.width'], values['model.heads']
        raise ValueError(f'Expected model.width as a multiple of model.heads, got {width} and {heads}.')
    return filled


def find_recipe(name: str | Path) -> Path:
    """Returns the file of a configuration: `name` itself, or the recipe of that name that this project ships.

    Args:
      name: a file such as my_run.py, or a recipe: 'iu_xray', or 'configs/iu_xray.py' from any folder.

    Raises:
      ValueError: there is neither.
    """
    path = Path(name)
    shipped = RECIPES / f'{path.stem}.py'
    if path.is_file():
        return path
    if shipped.is_file() and path.parent.name in ('', RECIPES.name, 'configs'):
        return shipped
    known = ', '.join(sorted(file.stem for file in RECIPES.glob('*.py')))
    raise ValueError(f'Expected a configuration file, or one of the recipes {known} (in {RECIPES}); got {name}.')


def recipe(name: str | Path, *argument: str) -> ConfigDict:
    """Makes a configuration from a recipe of this project, by its name, or from a file of yours.

    A configuration that changes another starts with it: `config = recipe('iu_xray')`.

    Args:
      argument: for a file whose `get_config` takes one.

    Raises:
      ValueError: there is no such file, it is no Python, or it has no `get_config` that returns a configuration.
    """
    path = find_recipe(name).resolve()
    if path.suffix != '.py':
        remedy = 'give --workdir to continue a run' if path.name == 'config.json' else "see this project's configs/"
        raise ValueError(f'{path}: expected a configuration file, which ends in .py; {remedy}.')
    add_folder(path)
    get_config = getattr(load_file(path), 'get_config', None)
    if not callable(get_config):
        raise ValueError(f'{path}: expected a function get_config in it, which returns a configuration; got none.')
    config = get_config(*argument)
    if not isinstance(config, ConfigDict) or 'variant' not in config:
        got = 'a ConfigDict without variant' if isinstance(config, ConfigDict) else type(config).__name__
        raise ValueError(
            f"{path}: expected get_config to return a recipe's configuration, changed or not "
            f"(config = recipe('iu_xray')), got {got}; is a return missing?"
        )
    return config


def add_folder(path: Path) -> None:
    """Makes the modules beside a configuration file importable, as Python does for a script."""
    if (folder := str(path.resolve().parent)) not in sys.path:
        sys.path.append(folder)


def as_data(config: ConfigDict) -> dict[str, Any]:
    """The configuration in the form of JSON: nested dicts, lists for tuples."""
    return json.loads(json.dumps(config.to_dict()))


def from_data(data: dict[str, Any]) -> ConfigDict:
    """The inverse of `as_data`; sequences become tuples again, and an older run's fields are `completed`."""

    def revive(value):
        if isinstance(value, dict):
            return {key: revive(item) for key, item in value.items()}
        return tuple(revive(item) for item in value) if isinstance(value, list) else value

    return Config(revive(completed(data))).lock()


def completed(data: dict[str, Any]) -> dict[str, Any]:
    """An earlier version's configuration with the fields that it lacks, as the recipes have them by default."""
    base = as_data(recipe('mimic'))
    if odd := [key for key in data if isinstance(base.get(key), dict) and not isinstance(data[key], dict)]:
        raise ValueError(f'Expected the fields of {odd[0]}, got {data[odd[0]]!r}.')
    whole = {
        key: base[key] | value if isinstance(value, dict) and key in base else value for key, value in data.items()
    }
    return base | whole


def flatten(data: dict[str, Any], prefix: str = '') -> dict[str, Any]:
    """Nested dicts as one, by dotted path: {'model.width': 512, ...}."""
    flat = {}
    for key, value in data.items():
        flat |= flatten(value, f'{prefix}{key}.') if isinstance(value, dict) and value else {prefix + key: value}
    return flat


def refuse_changes(
    old: dict[str, Any], new: dict[str, Any], what: str, remedy: str, then: str = 'in the workdir', now: str = 'now'
) -> None:
    """Raises ValueError where fields that affect results differ, and lists them between `what` and `remedy`.

    Args:
      old: an older run's fields are to be `completed` first.
      then, now: where, or when, the values are those of `old` and of `new`.
    """
    old, new = flatten(old), flatten(new)
    absent = '(absent)'
    changed = [
        f'\n  {key}: {old.get(key, absent)!r} {then}, {new.get(key, absent)!r} {now}'
        for key in sorted(old.keys() | new.keys())
        if key not in FREE and old.get(key, absent) != new.get(key, absent)
    ]
    if changed:
        raise ValueError(f'{what}:{"".join(changed)}\n{remedy}')
