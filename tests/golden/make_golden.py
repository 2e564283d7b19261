"""Writes the part of a folder of reference values that the repository carries: numbers only, the large arrays left out.

python tests/golden/make_golden.py REFERENCE tests/golden
"""

import json
import sys
from pathlib import Path

import numpy as np

from camanet_jax.lab.parity.fixture_checks import VARIANTS_FILE, VARIANTS_MANIFEST
from camanet_jax.lab.parity.folders import SETTINGS_FILE
from camanet_jax.lab.parity.model_folder import FILES, MAY_BE_LEFT_OUT, SETTINGS
from camanet_jax.lab.parity.report import load_arrays
from camanet_jax.run.files import read_json

# Smaller than the arrays that carry the same information further on.
SMALL = {'avg_feats', 'cams', 'disc_rep'}
LEFT_OUT = sorted(MAY_BE_LEFT_OUT - SMALL)
WHOLE_FILES = ('vtac.npz', 'optimiser.npz')


def write_golden(reference: Path, output: Path):
    """Copies model folders, variants and single files; no study ids, texts, vocabularies or films of real patients."""
    for settings_path in sorted(reference.rglob(SETTINGS_FILE)):
        folder = output / settings_path.parent.relative_to(reference)
        folder.mkdir(parents=True, exist_ok=True)
        settings = read_json(settings_path)
        kept = {name: settings[name] for name in SETTINGS} | {'left_out': LEFT_OUT}
        (folder / SETTINGS_FILE).write_text(json.dumps(kept, indent=1) + '\n')
        write_json(settings_path.parent / 'manifest.json', folder / 'manifest.json')
        for file in FILES:
            copy_arrays(settings_path.parent / file, folder / file)
    for file in (VARIANTS_FILE, *WHOLE_FILES):
        copy_arrays(reference / file, output / file)
    for file in (VARIANTS_MANIFEST, 'lr_schedules.json'):
        write_json(reference / file, output / file)


def write_json(source: Path, target: Path):
    """Copies a JSON file without its white space."""
    target.write_text(json.dumps(read_json(source), separators=(',', ':')) + '\n', encoding='utf-8')


def copy_arrays(source: Path, target: Path):
    """Copies an npz file without the arrays that are left out."""
    arrays = load_arrays(source)
    np.savez_compressed(target, **{key: value for key, value in arrays.items() if key.split('/')[-1] not in LEFT_OUT})


if __name__ == '__main__':
    write_golden(*map(Path, sys.argv[1:3]))
