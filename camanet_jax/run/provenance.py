"""Provenance of a score, printed with every score table: everything it depends on other than the reports."""

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'grain', 'tensorflow-datasets', 'pycocoevalcap')


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that a score may depend on."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return versions | {'python': sys.version.split()[0]}


@functools.cache
def code_version() -> dict[str, str]:
    """The commit of a checkout, else the package's version, and a digest of the package's sources as they are."""
    package, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(package.rglob('*.py')):
        digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    sources = {'sources': digest.hexdigest()[:12]}
    if (package.parent / '.git').exists():
        command = ['git', '-C', str(package), 'rev-parse', '--short=12', 'HEAD']
        with contextlib.suppress(OSError, subprocess.CalledProcessError):  # no git here, or another user's checkout
            return {'commit': subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).strip()} | sources
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # run where it lies, without an installation
        return {'version': importlib.metadata.version('camanet_jax')} | sources
    return sources


def code_in_words(code: Mapping[str, str] | None) -> str:
    """A run's code (`code_version`) in words."""
    return ', '.join(f'{name} {value}' for name, value in code.items()) if code else 'code not recorded'


def numerics() -> dict[str, str | None]:
    """Settings of the environment, outside any configuration, that change a run's numbers."""
    return {
        'matmul_precision': jax.config.jax_default_matmul_precision,
        'prng': jax.config.jax_default_prng_impl,
        'tf32': os.environ.get('NVIDIA_TF32_OVERRIDE'),
    }


def run_provenance(config: Mapping[str, Any], step: int | None) -> dict[str, Any]:
    """Provenance of a run's reports: its whole configuration and, besides, the fields in which runs usually differ."""
    return {'config': dict(config), 'variant': config['variant'], 'seed': config['seed'], 'step': step}


def in_rows(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The run, for every line of its predictions, wherever they are copied; `config` is a digest."""
    return {name: provenance[name] for name in ('variant', 'seed', 'step')} | {'config': digest(provenance['config'])}


def digest(config: Mapping[str, Any]) -> str:
    """Eight hexadecimal digits that tell configurations apart."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:8]


def caption(provenance: Mapping[str, Any]) -> str:
    """A caption for a table: the run, as far as it is known, and the versions that scored it."""
    versions = [f'{name} {version}' for name, version in provenance['versions'].items()]
    return f'{run_in_words(provenance)}; {", ".join(versions)}'


def run_in_words(provenance: Mapping[str, Any]) -> str:
    """The variant, seed, step and configuration of a run in words, as far as they are known."""
    run = [f'{name} {provenance[name]}' for name in ('variant', 'seed', 'step') if provenance[name] is not None]
    if (config := provenance['config']) is not None:
        run.append(f'configuration {config if isinstance(config, str) else digest(config)}')
    return ', '.join(run) or 'variant, seed and step not known'
