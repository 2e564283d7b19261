"""A trained model as a folder to publish: weights, configuration, vocabulary, model card, a reference output.

config.json  vocabulary.json  model.safetensors  README.md
reference/   report.json, and the drawn films that it was written for (0.png, ..)
"""

import logging
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict
from ml_collections import ConfigDict
from PIL import Image

from camanet_jax import configuration
from camanet_jax.generate.model_card import model_card
from camanet_jax.generate.reporter import Reporter
from camanet_jax.run.files import read_json, write_json, write_text
from camanet_jax.run.provenance import package_versions
from camanet_jax.run.safetensors_file import write_safetensors
from camanet_jax.run.workdir import CONFIG, VOCABULARY, WEIGHTS, is_published, open_trained, published_checksum
from camanet_jax.synthetic.studies import make_study

LOG = logging.getLogger(__name__)
REFERENCE, CARD = 'reference', 'README.md'
PUBLISHED = CONFIG, VOCABULARY, WEIGHTS, CARD, REFERENCE
OWN_PATHS = {name: '' for name in configuration.PATHS} | {'compile_cache': 'auto'}  # of the machine it was trained on


def export(workdir: Path, output: Path) -> None:
    """Writes the best checkpoint of a run as a new folder, which appears whole or not at all. Nothing in it is code.

    Raises:
      ValueError: there is no checkpoint, or `output` holds something.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f'Expected {output} to be a new folder, but it holds something. Give another --output.')
    if is_published(workdir):
        raise ValueError(f'{workdir} is a published model already; copy the folder.')
    trained = open_trained(workdir)
    data = configuration.as_data(trained.experiment.config) | OWN_PATHS
    weights = {name: np.asarray(x) for name, x in flatten_dict(jax.device_get(trained.variables), sep='/').items()}
    vocabulary = trained.experiment.tokenizer.to_json()
    metadata = {'step': str(trained.step), 'checksum': published_checksum(weights, vocabulary)}
    scores = read_json(workdir / 'scores.json') if (workdir / 'scores.json').exists() else None
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f'.{output.name}-') as parent:
        folder = Path(parent) / 'model'
        folder.mkdir(mode=0o755)
        write_json(folder / CONFIG, data)
        write_text(folder / VOCABULARY, vocabulary)
        write_safetensors(folder / WEIGHTS, weights, {'format': 'camanet_jax', **metadata})
        write_text(folder / CARD, model_card(output.name, data, weights, trained.step, scores))
        write_reference(folder / REFERENCE, Reporter(trained))
        folder.replace(output)
    size = sum(path.stat().st_size for path in output.rglob('*') if path.is_file())
    LOG.info('%s, step %d -> %s (%.1f MB)', workdir, trained.step, output, size / 1e6)
    if scores is None:
        LOG.warning('The model card has no scores: %s was not evaluated (--mode=evaluate)', workdir)


def write_reference(folder: Path, reporter: Reporter) -> None:
    """Writes drawn films, and what the model makes of them."""
    folder.mkdir()
    films = reference_films(reporter.config)
    for number, film in enumerate(films):
        Image.fromarray(film).save(folder / f'{number}.png')
    write_json(folder / 'report.json', outcome(reporter, films) | {'versions': package_versions()})


def reference_films(config: ConfigDict) -> np.ndarray:
    """A synthetic study's films as the model reads them, uint8 [I, height, width]; lateral films beyond the first."""
    drawn = make_study(0, 'test', 0, config.data.image_size).films
    return np.stack([drawn[min(view, len(drawn) - 1)] for view in range(config.data.views)])


def outcome(reporter: Reporter, films: np.ndarray) -> dict[str, Any]:
    """The report of a study's films, and its probabilities."""
    (report,) = reporter.generate(films[None])
    names = 'report', 'log_prob', 'word_log_probs', 'class_probabilities'
    return {name: getattr(report, name) for name in names}
