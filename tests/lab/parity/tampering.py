"""Changes files of reference values, and reads what a report says of them."""

from pathlib import Path

import numpy as np

from camanet_jax.lab.parity.conditioning import FLOAT32
from camanet_jax.lab.parity.folders import check_folder
from camanet_jax.lab.parity.report import Report


def change(path: Path, **arrays):
    """Rewrites an npz file with some arrays replaced, added, or (None) removed."""
    with np.load(path) as file:
        kept = {key: file[key] for key in file.files} | arrays
    np.savez(path, **{key: value for key, value in kept.items() if value is not None})


def report_on(folder: Path, data_root: Path = Path('nowhere')) -> Report:
    """The report of the single files in a folder."""
    report = Report()
    check_folder(folder, report, FLOAT32, data_root)
    return report


def missed(report: Report) -> dict[str, str]:
    """{name: note} of the lines that failed, without the folder's name."""
    return {line.name.partition('/')[2]: line.note for line in report.lines if line.ok is False}
