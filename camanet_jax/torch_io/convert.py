"""Conversion of an official checkpoint to a workdir, and of a workdir to an official checkpoint.

A checkpoint holds no words: they are counted in the annotation it was trained on, or listed in a file.
"""

import json
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from camanet_jax import configuration, extensions
from camanet_jax.data.schema import read_entries
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.experiment import Experiment
from camanet_jax.run.checkpoint import Checkpoints
from camanet_jax.run.files import read_json, read_text
from camanet_jax.run.safetensors_file import read_safetensors, write_safetensors
from camanet_jax.run.workdir import TORCH_BUFFERS, claim_workdir, open_trained
from camanet_jax.torch_io import weight_names
from camanet_jax.torch_io.buffers import buffers_of, complete_state_dict, fresh_buffers
from camanet_jax.torch_io.state_dicts import read_state_dict, write_state_dict
from camanet_jax.train_step import TrainState

LOG = logging.getLogger(__name__)

Arrays = Mapping[str, np.ndarray]
VOCABULARY_ROWS = 'embedding/embedding', 'vocabulary_head/kernel', 'vocabulary_head/bias'
CLASSIFIER_PARTS = ('visual_extractor.head.', 'fore_back_learn.')
CONTRASTIVE_PARTS = tuple(f'encoder_decoder.{part}' for part in ('proj_image_clip.', 'proj_text_clip.', 'logit_scale'))
CONTRASTIVE_WEIGHT = 0.1  # of the paper's CLIP ablation, where the configuration has none


def convert_from_torch(
    file: Path, config: ConfigDict, output: Path, *, annotation: Path | None = None, vocabulary: Path | None = None
) -> None:
    """Makes the workdir `output` from a checkpoint; evaluation, generation and `init_from` treat it like any other.

    Args:
      file: any file that `read_state_dict` reads.
      config: resolved; the system that it names is corrected to the checkpoint's.
      output: a new folder. It appears whole, or not at all.
      annotation, vocabulary: sources of the words, see `read_tokenizer`.

    Raises:
      ValueError: file, configuration and vocabulary do not fit; `output` is in use.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f'Expected {output} to be a new folder, but it holds something. Give another --output.')
    checkpoint = read_state_dict(file)
    naming = weight_names.naming_of(extensions.find('model.network', config.model.network))
    rows = vocabulary_size(file, checkpoint, naming)
    config = fit_system(config, checkpoint)
    if annotation and (annotation.parent / 'images').is_dir():
        config.data_dir = str(annotation.parent)
    experiment = Experiment(config, read_tokenizer(config, rows, annotation, vocabulary))
    try:
        state, buffers = loaded_state(experiment, checkpoint, naming), buffers_of(checkpoint, naming)
    except ValueError as error:
        raise ValueError(f'{file}: {error}') from error
    dtypes = {name: array.dtype.name for name, array in checkpoint.items() if array.dtype != np.float32}
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f'.{output.name}-') as folder:
        workdir = Path(folder) / 'workdir'
        write_run(workdir, experiment, state, file.name)
        facts = {'dtypes': json.dumps(dtypes), 'names': json.dumps(list(checkpoint))}
        write_safetensors(workdir / TORCH_BUFFERS, buffers, facts)
        workdir.replace(output)
    system = f'classifier {config.model.vdmae}, contrastive heads {config.model.contrastive}'
    LOG.info('%s: %d rows of vocabulary, %s -> %s', file, rows, system, output)


def fit_system(config: ConfigDict, checkpoint: Arrays) -> ConfigDict:
    """The configuration of the system that the checkpoint holds: Base, with VDMAE, with contrastive heads.

    VTAC has no weights. It stays as configured if the rest fits, else it is on where VDMAE alone is.
    """
    parts = dict(
        vdmae=any(name.startswith(CLASSIFIER_PARTS) for name in checkpoint),
        contrastive=any(name.startswith(CONTRASTIVE_PARTS) for name in checkpoint),
    )
    config = config.copy_and_resolve_references()
    model, loss = config.model, config.loss
    if any(model[name] != value for name, value in parts.items()):
        model.update(parts, vtac=parts['vdmae'] and not parts['contrastive'])
        loss.contrastive_weight = (loss.contrastive_weight or CONTRASTIVE_WEIGHT) if model.contrastive else 0.0
        LOG.info('The checkpoint is of another system than configured; recorded: %s, vtac %s', parts, model.vtac)
    return config


def vocabulary_size(file: Path, checkpoint: Arrays, naming: weight_names.Naming) -> int:
    """V, the rows of the embedding, or of the vocabulary head where that is missing (which is reported later)."""
    names = [naming.name(path) for path in VOCABULARY_ROWS]
    shapes = [checkpoint[name].shape for name in names if name in checkpoint and checkpoint[name].ndim]
    if not shapes:
        raise ValueError(
            f'{file}: expected a checkpoint with {names[0]}, got {len(checkpoint)} '
            f'tensors, of which the first are {", ".join(list(checkpoint)[:5])}'
        )
    return shapes[0][0]


def loaded_state(experiment: Experiment, checkpoint: Arrays, naming: weight_names.Naming) -> TrainState:
    """A training state at step 0 with the checkpoint's weights."""
    template = experiment.state_shapes().variables
    variables = jax.tree.map(jnp.asarray, weight_names.load_variables(checkpoint, template, naming))
    params = variables['params']
    moments = experiment.optimiser().init(params)
    return TrainState(jnp.zeros((), jnp.int32), params, variables.get('batch_stats', {}), moments)


def write_run(workdir: Path, experiment: Experiment, state: TrainState, source: str) -> None:
    """Writes configuration, vocabulary and a checkpoint, as training does; `source` is recorded in the checkpoint."""
    claim_workdir(workdir, experiment)
    run = {
        'vocabulary': experiment.tokenizer.to_json(),
        'config': configuration.as_data(experiment.config),
        'converted_from': source,
    }
    checkpoints = Checkpoints(workdir)
    checkpoints.save(0, state, run)
    checkpoints.close()


def convert_to_torch(workdir: Path, file: Path) -> None:
    """Writes the best checkpoint of a workdir as an official state dict, a .pth, .pt or .safetensors file.

    A converted workdir returns the checkpoint it was made from, bit for bit, element types included.
    """
    trained = open_trained(workdir)
    naming = weight_names.naming_of(trained.experiment.model())
    weights = weight_names.state_dict(trained.variables, naming)
    converted = workdir / TORCH_BUFFERS
    if converted.exists():
        buffers, metadata = read_safetensors(converted)
        dtypes = json.loads(metadata['dtypes'])
        names = json.loads(metadata.get('names', 'null'))  # older workdirs have none, and get the program's order
    else:
        config = trained.experiment.config
        batches_seen = trained.step * config.accumulate * config.data.views
        buffers, dtypes, names = fresh_buffers(weights, batches_seen, naming), {}, None
    typed = {name: value.astype(dtypes.get(name, value.dtype)) for name, value in weights.items()}
    whole = complete_state_dict(typed, buffers, naming)
    write_state_dict(file, {name: whole[name] for name in names or whole})
    LOG.info('%s, step %d -> %s', workdir, trained.step, file)


def read_tokenizer(config: ConfigDict, rows: int, annotation: Path | None, vocabulary: Path | None) -> Tokenizer:
    """The vocabulary of a checkpoint whose embedding has `rows` rows, one more than there are words.

    Args:
      config: names the cleaner and threshold of the words, and the data folder.
      annotation: an annotation.json whose train split's words are counted; by default that of the data folder.
      vocabulary: a list of words instead (`read_vocabulary`).

    Raises:
      ValueError: its size is another.
    """
    if annotation and vocabulary:
        raise ValueError('Expected --annotation or --vocabulary, got both.')
    if vocabulary:
        tokenizer, origin = read_vocabulary(vocabulary, config.data.cleaner), str(vocabulary)
    else:
        annotation = annotation or Path(config.data_dir) / 'annotation.json'
        rules = dict(cleaner=config.data.cleaner, threshold=config.data.threshold)
        tokenizer, origin = Tokenizer.build(train_reports(annotation), **rules), f'{annotation}, train split, {rules}'
    if len(tokenizer) != rows - 1:
        raise ValueError(
            f'Expected a vocabulary of {rows - 1} words, since the checkpoint has {rows} rows, got '
            f'{len(tokenizer)} from {origin}. Give the annotation that the model was trained on with '
            '--annotation, or its words with --vocabulary.'
        )
    return tokenizer


def train_reports(annotation: Path) -> list[str]:
    """The reports of an annotation's train split."""
    entries = read_entries(annotation).get('train')
    if entries is None or not all(isinstance(entry, dict) and 'report' in entry for entry in entries):
        raise ValueError(f'{annotation}: expected {{"train": [{{"report": ...}}, ...]}}, got something else.')
    return [str(entry['report']) for entry in entries]


def read_vocabulary(file: Path, cleaner: str) -> Tokenizer:
    """Reads words in the order of their ids, from id 1 on.

    Args:
      file: vocabulary.json of a workdir, a JSON list, or a text file (.txt) with a word on each line.
      cleaner: the cleaner of the reports, where the file names none.
    """
    content = read_text(file).split() if file.suffix == '.txt' else read_json(file)
    if isinstance(content, dict):
        content, cleaner = content.get('words'), content.get('cleaner', cleaner)
    if not isinstance(content, list) or not all(isinstance(word, str) for word in content):
        raise ValueError(
            f'{file}: expected a list of words, or an object with "words" and "cleaner", got {str(content)[:60]}'
        )
    if len(set(content)) < len(content):
        raise ValueError(f'{file}: expected every word once, got {len(content) - len(set(content))} repeated.')
    return Tokenizer(tuple(content), cleaner)
