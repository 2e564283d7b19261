"""The folder of a run: claimed by one configuration, written by one process at a time, opened again.

config.json  vocabulary.json  origin.json  metrics.jsonl  tensorboard/  checkpoints/
predictions/  figures/  scores.json

A published model (`generate.export`) is opened like one: a folder of config.json, vocabulary.json, model.safetensors.
"""

import contextlib
import dataclasses
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from camanet_jax import configuration, sharding
from camanet_jax.experiment import Experiment
from camanet_jax.run.checkpoint import Checkpoints, check_path, checksum, has_checkpoint
from camanet_jax.run.files import read_record, read_text, sole_writer, write_json, write_text
from camanet_jax.run.provenance import numerics
from camanet_jax.run.safetensors_file import read_safetensors

CONFIG, VOCABULARY, ORIGIN = 'config.json', 'vocabulary.json', 'origin.json'
WEIGHTS = 'model.safetensors'  # only in a published model
HUB = 'hf://'
# Only in a converted workdir: the arrays of the PyTorch checkpoint that the model does not use.
TORCH_BUFFERS = 'torch_buffers.safetensors'


def claim_workdir(workdir: Path, experiment: Experiment, content: str | None = None) -> None:
    """Records configuration and vocabulary in the folder, or checks that they are those recorded.

    Args:
      content: a digest of the films, reports and labels (`Source.content`).

    Raises:
      ValueError: another configuration, vocabulary, data or settings of the environment were used in it (the differing
        keys are named), or it holds a converted checkpoint, which training would replace, or checkpoints cannot be read
        back from its path.
    """
    check_path(workdir)
    if (workdir / TORCH_BUFFERS).exists() or is_published(workdir):
        raise ValueError(
            f'{workdir} holds a converted or published model. To continue training from it, start a run of its own: '
            f'another --workdir, and --config.init_from={workdir}.'
        )
    config, vocabulary = configuration.as_data(experiment.config), experiment.tokenizer.to_json()
    if (workdir / CONFIG).exists():
        recorded = configuration.completed(read_record(workdir / CONFIG))
        what, remedy = f'{workdir} was made by another configuration', 'Use another --workdir, or the old values.'
        configuration.refuse_changes(recorded, config, what, remedy)
    if (workdir / VOCABULARY).exists() and read_text(workdir / VOCABULARY) != vocabulary:
        raise ValueError(
            f"{workdir} was made with another vocabulary: the train split's reports have changed since, or "
            f'{VOCABULARY} is damaged (then remove it: checkpoints hold the words). Use another --workdir.'
        )
    origin = {'data': content, **numerics()}
    if (workdir / ORIGIN).exists():
        what = 'made from other films, reports or labels (data), or under other settings of the environment'
        remedy = 'Use another --workdir, or bring the old ones back.'
        configuration.refuse_changes(read_record(workdir / ORIGIN), origin, f'{workdir} was {what}', remedy)
    if jax.process_index() == 0:
        write_json(workdir / ORIGIN, origin)
        write_text(workdir / VOCABULARY, vocabulary)
        write_json(workdir / CONFIG, config)
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices('workdir claimed')


@contextlib.contextmanager
def only_writer(workdir: Path, doing: str = 'training') -> Iterator[None]:
    """Keeps other processes from writing there; the lock is released when this one exits, however it exits.

    Raises:
      ValueError: another process does.
    """
    with sole_writer(workdir, doing) if jax.process_index() == 0 else contextlib.nullcontext():
        yield


def get_config(workdir: str) -> ConfigDict:
    """Reads a workdir's configuration; the name lets a config flag load `workdir.py:FOLDER`."""
    path = Path(workdir) / CONFIG
    if not path.exists():
        raise ValueError(
            f'Expected a run in {workdir}, found no {CONFIG} there. Give --config to start one, or check --workdir.'
        )
    return configuration.from_data(read_record(path))


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """A checkpoint opened for use."""

    experiment: Experiment
    variables: dict[str, Any]
    step: int


def open_trained(workdir: str | Path, config: ConfigDict | None = None, *, newest: bool = False) -> TrainedRun:
    """The best checkpoint of a run, or its newest; `config` replaces the recorded configuration.

    Raises:
      ValueError: there is no checkpoint, or none that is whole, or config.json is not that of the checkpoint.
    """
    if is_published(Path(workdir)):
        return _open_published(Path(workdir), config)
    if not has_checkpoint(workdir):
        raise ValueError(f'Expected a checkpoint in {workdir}, found none. Train first, or check the path.')
    checkpoints = Checkpoints(workdir)
    recorded = Path(workdir) / CONFIG

    def restore(step: int) -> TrainedRun:
        run = checkpoints.read_run(step)
        if recorded.exists():
            what, found = f'{recorded} was edited or damaged since the run was trained', read_record(recorded)
            configuration.refuse_changes(found, run['config'], what, 'Undo it.', now='in the checkpoint')
        experiment = Experiment.from_run(config or configuration.from_data(run['config']), run)
        template = sharding.on_devices(experiment.state_shapes(), sharding.make_mesh())
        return TrainedRun(experiment, checkpoints.restore_state(template, step).variables, step)

    trained = checkpoints.first_whole(restore, first=None if newest else checkpoints.best_step())
    checkpoints.close()
    return trained


def is_published(folder: Path) -> bool:
    """Tells whether a folder holds a published model rather than a run."""
    return (folder / WEIGHTS).exists()


def published_checksum(arrays: dict[str, Any], vocabulary: str) -> str:
    """CRC-32 of a published model's arrays and words."""
    return f'{zlib.crc32(vocabulary.encode(), checksum(arrays)):08x}'


def fetch(name: str | Path) -> Path:
    """The folder that a name stands for: a path, or `hf://owner/name[@revision]` of the Hugging Face hub.

    Raises:
      ValueError: huggingface_hub is not installed, or the model cannot be fetched.
    """
    if not str(name).startswith(HUB):
        return Path(name)
    try:
        import huggingface_hub
    except ImportError as error:
        raise ValueError(
            f'{name}: needs huggingface_hub: pip install huggingface_hub. Or copy {CONFIG}, {VOCABULARY} and {WEIGHTS} '
            'from the hub into a folder, and open that.'
        ) from error
    repository, _, revision = str(name).removeprefix(HUB).partition('@')
    files = [CONFIG, VOCABULARY, WEIGHTS, 'reference/*']
    try:
        folder = huggingface_hub.snapshot_download(repository, revision=revision or None, allow_patterns=files)
    except (huggingface_hub.errors.HfHubHTTPError, OSError, ValueError) as error:
        raise ValueError(
            f'{name}: cannot be fetched ({error}). Check the name and the network, or open a folder with a copy.'
        ) from error
    return Path(folder)


def _open_published(folder: Path, config: ConfigDict | None) -> TrainedRun:
    try:
        arrays, metadata = read_safetensors(folder / WEIGHTS)
    except ValueError as error:
        raise ValueError(f'{folder / WEIGHTS}: {error}') from error
    experiment = Experiment.from_run(config or get_config(folder), {'vocabulary': read_text(folder / VOCABULARY)})
    shapes = {name: x.shape for name, x in flatten_dict(experiment.state_shapes().variables, sep='/').items()}
    got = {name: array.shape for name, array in arrays.items()}
    if wrong := sorted(dict(shapes.items() ^ got.items())):
        raise ValueError(
            f'{folder / WEIGHTS}: expected the {len(shapes)} arrays of the model in {CONFIG}, got {len(got)}; '
            f'{len(wrong)} differ, such as {", ".join(wrong[:5])}'
        )
    found = published_checksum(arrays, experiment.tokenizer.to_json())
    if (saved := metadata.get('checksum', found)) != found:  # earlier versions wrote none
        raise ValueError(
            f'{folder}: expected {WEIGHTS} and {VOCABULARY} as they were published (checksum {saved}), got others '
            f'({found}): damaged or changed. Fetch or copy both again.'
        )
    variables = sharding.put_replicated(unflatten_dict(arrays, sep='/'), sharding.make_mesh())
    return TrainedRun(experiment, variables, int(metadata['step']))
