"""Configurations as data: written with a run, read back, compared."""

import json
import traceback
from typing import Any

from ml_collections import ConfigDict

# Fields that say where and how fast a run works, not what it computes.
FREE = ('data_dir', 'cache_dir', 'compile_cache', 'checkpoint_every_minutes', 'data.num_workers', 'data.prefetch',
        'evaluation.batch_size', 'evaluation.figures')


def as_data(config: ConfigDict) -> dict[str, Any]:
    """The configuration as JSON holds it: nested dicts, lists for tuples."""
    return json.loads(json.dumps(config.to_dict()))


def from_data(data: dict[str, Any]) -> ConfigDict:
    """The inverse of `as_data`; sequences become tuples again."""
    def revive(value):
        if isinstance(value, dict):
            return {key: revive(item) for key, item in value.items()}
        return tuple(revive(item) for item in value) if isinstance(value, list) else value

    return ConfigDict(revive(data)).lock()


def flatten(data: dict[str, Any], prefix: str = '') -> dict[str, Any]:
    """{'model.width': 512, ...}."""
    flat = {}
    for key, value in data.items():
        flat |= flatten(value, f'{prefix}{key}.') if isinstance(value, dict) and value else {prefix + key: value}
    return flat


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """One line for every field that decides results and is not the same in both."""
    old, new = flatten(old), flatten(new)
    absent = '(absent)'
    keys = sorted(key for key in old.keys() | new.keys() if key not in FREE)
    return [f'{key}: {old.get(key, absent)!r} in the workdir, {new.get(key, absent)!r} now'
            for key in keys if old.get(key, absent) != new.get(key, absent)]


def unknown_field(error: BaseException) -> str | None:
    """Where `error` comes of naming a field that a configuration does not have: a message that lists those it has."""
    message, caller = None, ''
    for frame, line in traceback.walk_tb(error.__traceback__):
        holder, file = frame.f_locals.get('self'), frame.f_code.co_filename
        name = frame.f_locals.get('key', frame.f_locals.get('attribute'))
        if not isinstance(holder, ConfigDict):
            caller = '' if 'ml_collections' in file else f'{file}, line {line}: '
        elif isinstance(name, str) and name not in holder:
            message = f'{caller}the configuration has no field {name!r} here; there are {", ".join(holder)}.'
    return message
