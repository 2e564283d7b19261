"""Finds what a folder holds and the checks that read it: the entry point of `scripts/check_parity.py`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import jax

from camanet_jax.lab.parity import fixture_checks
from camanet_jax.lab.parity.conditioning import FLOAT32, RULE, Method
from camanet_jax.lab.parity.model_folder import FILES, check_model_folder
from camanet_jax.lab.parity.relatives import check_relative
from camanet_jax.lab.parity.report import Report
from camanet_jax.run.files import read_json

SETTINGS_FILE = 'reference.json'
UNREAD = 'unread: no check knows this file'
FIXTURES = {
    'vtac.npz': fixture_checks.check_vtac,
    'optimiser.npz': fixture_checks.check_optimiser,
    'lr_schedules.json': fixture_checks.check_schedules,
}
DATA_FIXTURES = {'tokenizer.json.gz': fixture_checks.check_tokenizer, 'transforms.npz': fixture_checks.check_transforms}
MODEL_FIXTURES = {'variants.npz': fixture_checks.check_variants, 'chexbert.npz': fixture_checks.check_chexbert}
ALL_FIXTURES = [*FIXTURES, *DATA_FIXTURES, *MODEL_FIXTURES]


def check_parity(
    folders: list[Path],
    method: Method = FLOAT32,
    *,
    device: str = 'cpu',
    data_root: Path | None = None,
    json_path: Path | None = None,
) -> bool:
    """Compares all folders on the first `device` of that kind. Returns True if something was compared and none missed.

    Raises:
      ValueError: there is no such device.
    """
    report = Report(sys.stdout)
    chosen = find_device(device)
    computed = f'{method.dtype}, products in {"float64" if method.x64 else method.precision}'
    report.say(f'# {chosen.device_kind} ({chosen.platform}), {computed}{f"; {RULE}" if method.conditioning else ""}')
    with (
        jax.default_device(chosen),
        jax.enable_x64(method.x64),
        jax.default_matmul_precision(method.precision),
    ):
        for folder in folders:
            check_folder(folder.resolve(), report, method, data_root or folder.resolve().parent / 'data')
    report.say(report.summary())
    if json_path:
        report.write_json(json_path, **method._replace(config=str(method.config))._asdict(), device=str(chosen))
    return report.ok


def find_device(kind: str) -> jax.Device:
    """The first device of a kind: 'cpu', 'gpu', 'tpu'."""
    try:
        return jax.devices(kind)[0]
    except RuntimeError as error:
        there = ', '.join(sorted({device.platform for device in jax.devices()}))
        raise ValueError(f'Expected a device of kind {kind}, found {there}. ({error})') from error


def check_folder(folder: Path, report: Report, method: Method, data_root: Path):
    """A folder with a reference.json is a model folder; any other is searched for model folders and single files."""
    paths = [folder] if (folder / SETTINGS_FILE).exists() else list(interesting(folder))
    if not paths:
        wanted = ', '.join([SETTINGS_FILE, *ALL_FIXTURES])
        report.miss(folder.name, f'expected one of {wanted} in {folder}, found none')
    for path in paths:
        where = path.relative_to(folder.parent).as_posix()
        if path.is_dir():
            for name in sorted(file.relative_to(path).as_posix() for file in path.rglob('*.npz')):
                if name not in FILES:
                    report.miss(f'{where}/{name}', UNREAD)
            relative = 'system' in read_json(path / SETTINGS_FILE)
            report.guard(where, check_relative if relative else check_model_folder, path, where, report, method)
        elif path.name in FIXTURES:
            report.guard(where, FIXTURES[path.name], path, where, report)
        elif path.name in DATA_FIXTURES:
            report.guard(where, DATA_FIXTURES[path.name], path, where, report, data_root)
        elif path.name in MODEL_FIXTURES:
            report.guard(where, MODEL_FIXTURES[path.name], path, where, report, method)
        else:
            report.miss(where, UNREAD)


def interesting(folder: Path) -> Iterator[Path]:
    """Model folders, single fixtures, and every other array file, which is a miss."""
    models = {path.parent for path in folder.rglob(SETTINGS_FILE)}
    for path in sorted(folder.rglob('*')):
        inside_model = any(model in path.parents for model in models)
        if path in models or not inside_model and (path.suffix == '.npz' or path.name in ALL_FIXTURES):
            yield path
