"""What a score depends on beside the reports: it stands with every score table."""

import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Mapping
from typing import Any

PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'grain', 'tensorflow-datasets', 'pycocoevalcap')


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that a score may depend on."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return versions | {'python': sys.version.split()[0]}


def of_run(config: Mapping[str, Any], step: int | None) -> dict[str, Any]:
    """What made a run's reports: its whole configuration and, again, what tells runs apart."""
    return {'config': dict(config), 'variant': config['variant'], 'seed': config['seed'], 'step': step}


def caption(provenance: Mapping[str, Any]) -> str:
    """One line for under a table: the run, as far as it is known, and the versions that scored it."""
    versions = [f'{name} {version}' for name, version in provenance['versions'].items()]
    return f'{run_in_words(provenance)}; {", ".join(versions)}'


def run_in_words(provenance: Mapping[str, Any]) -> str:
    """What tells a run from others."""
    run = [f'{name} {provenance[name]}' for name in ('variant', 'seed', 'step') if provenance[name] is not None]
    if provenance['config'] is not None:
        text = json.dumps(provenance['config'], sort_keys=True)
        run.append(f'configuration {hashlib.sha256(text.encode()).hexdigest()[:8]}')
    return ', '.join(run) or 'variant, seed and step not known'
