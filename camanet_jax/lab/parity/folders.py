"""Finds what a folder holds and the checks that read it: the entry point of `scripts/check_parity.py`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import jax

from camanet_jax.lab.parity.fixture_checks import (
    check_chexbert,
    check_optimiser,
    check_schedules,
    check_tokenizer,
    check_transforms,
    check_vtac,
)
from camanet_jax.lab.parity.model_folder import FILES, check_model_folder
from camanet_jax.lab.parity.report import Report
from camanet_jax.lab.parity.variant_checks import check_variants

SETTINGS_FILE = 'reference.json'
FIXTURES = {'vtac.npz': check_vtac, 'optimiser.npz': check_optimiser, 'lr_schedules.json': check_schedules}
DATA_FIXTURES = {'tokenizer.json.gz': check_tokenizer, 'transforms.npz': check_transforms}
MODEL_FIXTURES = {'variants.npz': check_variants, 'chexbert.npz': check_chexbert}


def check_parity(
    folders: list[Path],
    *,
    x64: bool = False,
    data_root: Path | None = None,
    json_path: Path | None = None,
    stream: TextIO = sys.stdout,
) -> bool:
    """Compares all folders on the CPU. Returns True if something was compared and nothing missed."""
    report = Report(stream)
    with jax.default_device(jax.devices('cpu')[0]), jax.enable_x64(x64):
        for folder in folders:
            check_folder(folder.resolve(), report, x64, data_root or folder.resolve().parent / 'data')
    report.say(report.summary())
    if json_path:
        report.write_json(json_path, dtype='float64' if x64 else 'float32')
    return report.ok


def check_folder(folder: Path, report: Report, x64: bool, data_root: Path):
    """A folder with a reference.json is a model folder; any other is searched for model folders and single files."""
    found = [folder] if (folder / SETTINGS_FILE).exists() else list(interesting(folder))
    if not found:
        wanted = ', '.join([SETTINGS_FILE, *all_fixtures()])
        report.miss(folder.name, f'expected one of {wanted} in {folder}, found none')
    for path in found:
        where = path.relative_to(folder.parent).as_posix()
        if path.is_dir():
            check_strays(path, where, report)
            report.guard(where, check_model_folder, path, where, report, x64)
        elif path.name in FIXTURES:
            report.guard(where, FIXTURES[path.name], path, where, report)
        elif path.name in DATA_FIXTURES:
            report.guard(where, DATA_FIXTURES[path.name], path, where, report, data_root)
        elif path.name in MODEL_FIXTURES:
            report.guard(where, MODEL_FIXTURES[path.name], path, where, report, x64)
        else:
            report.miss(where, 'unread: no check knows this file')


def interesting(folder: Path) -> Iterator[Path]:
    """Model folders, single fixtures, and every other array file, which is a miss."""
    models = {path.parent for path in folder.rglob(SETTINGS_FILE)}
    for path in sorted(folder.rglob('*')):
        inside_model = any(model in path.parents for model in models)
        if path in models or not inside_model and (path.suffix == '.npz' or path.name in all_fixtures()):
            yield path


def check_strays(folder: Path, where: str, report: Report):
    """Array files of a model folder that no check reads."""
    for path in sorted(folder.rglob('*.npz')):
        if path.relative_to(folder).as_posix() not in FILES:
            report.miss(f'{where}/{path.relative_to(folder).as_posix()}', 'unread: no check knows this file')


def all_fixtures() -> list[str]:
    """Names of the single files that have a check."""
    return [*FIXTURES, *DATA_FIXTURES, *MODEL_FIXTURES]
