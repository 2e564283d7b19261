"""A benchmark's result as text, and everything that its numbers depend on."""

import datetime
import os
import platform
from typing import Any

import jax
from ml_collections import ConfigDict

from camanet_jax import configuration
from camanet_jax.reporting.tables import text_table
from camanet_jax.run.provenance import code_in_words, code_version, package_versions
from camanet_jax.run.workers import usable_cores

SCALES = ((1e12, 'T'), (1e9, 'G'), (1e6, 'M'), (1e3, 'k'))


def provenance(config: ConfigDict) -> dict[str, Any]:
    """Versions, device, date and the resolved configuration."""
    device = jax.devices()[0]
    return {
        'date': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
        'device': f'{jax.device_count()} x {device.device_kind} ({device.platform})',
        'host': platform.machine(),
        'cores': usable_cores(),
        'load_average': os.getloadavg()[0],
        'versions': package_versions(),
        'code': code_in_words(code_version()),
        'xla_flags': os.environ.get('XLA_FLAGS', ''),
        'config': configuration.as_data(config),
    }


def as_text(result: dict[str, Any]) -> str:
    """The result without the configuration: a heading per section, a line per number, a table per list."""
    blocks = []
    for name, value in result.items():
        if name == 'provenance':
            value = {key: item for key, item in value.items() if key != 'config'}
        blocks.append(f'{name}\n' + '\n'.join(f'  {line}' for line in section(value)))
    return '\n'.join(blocks)


def section(value: Any) -> list[str]:
    """Lines of one section."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return columns(value)
    if isinstance(value, list):
        return [f'- {line}' for line in value]
    if not isinstance(value, dict):
        return [str(value)]
    if all(isinstance(item, dict) for item in value.values()):
        return columns([{'of': name, **item} for name, item in value.items()])
    return [f'{label(name):28}{shown(name, item)}' for name, item in value.items()]


def columns(rows: list[dict[str, Any]]) -> list[str]:
    """An aligned table; a row may lack a column."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[label(name) for name in names]]
    cells += [[shown(name, row[name]) if name in row else '' for name in names] for row in rows]
    return text_table(cells, left=0)


def label(name: str) -> str:
    """A field's name without the unit that its value shows."""
    for unit in ('_seconds', '_bytes'):
        name = name.removesuffix(unit)
    return name


def shown(name: str, value: Any) -> str:
    """A number with the unit that its name ends in."""
    if isinstance(value, dict):
        return ', '.join(f'{key} {item}' for key, item in value.items())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if 'share' in name:
        return f'{100 * value:.1f} %'
    if name.endswith('per_second'):
        return f'{scaled(value)}{"FLOP" if "flops" in name else "B" if "bytes" in name else ""}/s'
    if name.endswith('seconds') or name == 'seconds_per_token':
        return f'{value:.3f} s' if abs(value) >= 1 else f'{1e3 * value:.3f} ms'
    if 'bytes' in name:
        return f'{scaled(value)}B'
    if name == 'flops':
        return f'{scaled(value)}FLOP'
    return str(value) if isinstance(value, int) else f'{value:.3f}'


def scaled(value: float) -> str:
    """Three digits and a prefix."""
    for scale, prefix in SCALES:
        if abs(value) >= scale:
            return f'{value / scale:.3g} {prefix}'
    return f'{value:.3g} '
