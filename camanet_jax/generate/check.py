"""Checks an installation: does a published model write here what it wrote where it was published?

python -m camanet_jax.generate.check            # a model of 0.4 MB that comes with the package
python -m camanet_jax.generate.check FOLDER     # another, or hf://owner/name
"""

import logging
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from camanet_jax.generate.export import PUBLISHED, REFERENCE, outcome
from camanet_jax.generate.reporter import Reporter
from camanet_jax.run import runtime
from camanet_jax.run.files import read_json
from camanet_jax.run.workdir import fetch, open_trained

LOG = logging.getLogger('camanet_jax.generate.check')  # this module is called __main__
OWN = Path(__file__).with_name('reference_model')
TOLERANCE = 0.02  # nats a word, and of probabilities: what TF32 and other libraries may change


def foreign_files(folder: Path) -> list[str]:
    """Files that commands and people have put into a published folder since, hidden ones apart."""
    return sorted(path.name for path in folder.iterdir() if path.name not in PUBLISHED and path.name[0] != '.')


def check(folder: Path) -> float:
    """Returns the largest difference of a log-probability (in nats) or a probability from the reference's.

    Raises:
      ValueError: the report differs, a difference is above the tolerance, or the folder has no reference.
    """
    path = folder / REFERENCE / 'report.json'
    if not path.exists():
        raise ValueError(f'{folder}: expected a published model with {REFERENCE}/report.json; is it a run?')
    expected = read_json(path)
    films = sorted(path.parent.glob('*.png'), key=lambda film: int(film.stem))
    got = outcome(Reporter(open_trained(folder)), np.stack([np.asarray(Image.open(film)) for film in films]))
    if got['report'] != expected['report']:
        raise ValueError(f'{folder}: expected the report\n  {expected["report"]}\ngot\n  {got["report"]}')
    numbers = [
        [*each['word_log_probs'], *(each['class_probabilities'][name] for name in sorted(each['class_probabilities']))]
        for each in (expected, got)
    ]
    difference = float(np.abs(np.subtract(*numbers)).max())
    if difference > TOLERANCE:
        raise ValueError(f'{folder}: the report is the same, but probabilities differ by {difference:.2g} from {path}')
    return difference


def main(argv: list[str]) -> None:
    """Checks the folder that is named, or the package's own model, and says how it went."""
    runtime.set_up_logging()
    with runtime.errors_for_people():
        if len(argv) > 1:
            raise ValueError(f'expected one folder or none, got {argv}')
        folder = fetch(argv[0]) if argv else OWN
        difference = check(folder)
        if found := foreign_files(folder):
            LOG.warning('%s also holds %s. Remove before uploading: they may hold reports.', folder, ', '.join(found))
        print(f'{folder}: the same report as where it was published; probabilities differ by {difference:.1g} at most.')


if __name__ == '__main__':
    main(sys.argv[1:])
