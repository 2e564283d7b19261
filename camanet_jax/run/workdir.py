"""The folder of a run: claimed by one configuration, written by one process at a time, opened again.

config.json  vocabulary.json  origin.json  metrics.jsonl  tensorboard/  checkpoints/
predictions/  figures/  scores.json
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from camanet_jax import configuration, sharding
from camanet_jax.experiment import Experiment
from camanet_jax.run.checkpoint import Checkpoints, check_path, has_checkpoint
from camanet_jax.run.files import read_json, read_text, sole_writer, write_json, write_text
from camanet_jax.run.provenance import numerics

CONFIG, VOCABULARY, ORIGIN = 'config.json', 'vocabulary.json', 'origin.json'
# Only in a converted workdir: the arrays of the PyTorch checkpoint that the model does not use.
TORCH_BUFFERS = 'torch_buffers.safetensors'


def claim_workdir(workdir: Path, experiment: Experiment, content: str | None = None) -> None:
    """Records configuration and vocabulary in the folder, or checks that they are those recorded.

    Args:
      content: stands for the films, reports and labels (`Source.content`).

    Raises:
      ValueError: another configuration, vocabulary, data or settings of the environment were used in it (the differing
        keys are named), or it holds a converted checkpoint, which training would replace, or checkpoints cannot be read
        back from its path.
    """
    check_path(workdir)
    if (workdir / TORCH_BUFFERS).exists():
        raise ValueError(
            f'{workdir} holds a converted checkpoint. To continue training from it, start a run of its own: '
            f'another --workdir, and --config.init_from={workdir}.'
        )
    config, vocabulary = configuration.as_data(experiment.config), experiment.tokenizer.to_json()
    if (workdir / CONFIG).exists():
        if changed := configuration.differences(read_json(workdir / CONFIG), config):
            lines = '\n  '.join(changed)
            raise ValueError(
                f'{workdir} was made by another configuration:\n  {lines}\nUse another --workdir, or the old values.'
            )
    if (workdir / VOCABULARY).exists() and read_text(workdir / VOCABULARY) != vocabulary:
        raise ValueError(
            f"{workdir} was made with another vocabulary: the train split's reports have changed since, or "
            f'{VOCABULARY} is damaged (then remove it: checkpoints hold the words). Use another --workdir.'
        )
    origin = {'data': content, **numerics()}
    if (workdir / ORIGIN).exists() and (changed := configuration.differences(read_json(workdir / ORIGIN), origin)):
        raise ValueError(
            f'{workdir} was made of other films, reports or labels (data), or under other settings of the environment:'
            '\n  ' + '\n  '.join(changed) + '\nUse another --workdir, or bring the old ones back.'
        )
    if jax.process_index() == 0:
        write_json(workdir / ORIGIN, origin)
        write_text(workdir / VOCABULARY, vocabulary)
        write_json(workdir / CONFIG, config)
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices('workdir claimed')


@contextlib.contextmanager
def only_writer(workdir: Path) -> Iterator[None]:
    """Keeps other runs from training in the folder; the lock is released when the process exits, however it exits.

    Raises:
      ValueError: another process is training there.
    """
    with sole_writer(workdir, 'training') if jax.process_index() == 0 else contextlib.nullcontext():
        yield


def get_config(workdir: str) -> ConfigDict:
    """Reads a workdir's configuration; the name lets a config flag load `workdir.py:FOLDER`."""
    path = Path(workdir) / CONFIG
    if not path.exists():
        raise ValueError(
            f'Expected a run in {workdir}, found no {CONFIG} there. Give --config to start one, or check --workdir.'
        )
    return configuration.from_data(read_json(path))


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
    if not has_checkpoint(workdir):
        raise ValueError(f'Expected a checkpoint in {workdir}, found none. Train first, or check the path.')
    checkpoints = Checkpoints(workdir)
    recorded = Path(workdir) / CONFIG

    def restore(step: int) -> TrainedRun:
        run = checkpoints.read_run(step)
        if recorded.exists() and (changed := configuration.differences(read_json(recorded), run['config'])):
            lines = '\n  '.join(changed).replace(' now', ' in the checkpoint')
            raise ValueError(f'{recorded} was edited or damaged since the run was trained:\n  {lines}\nUndo it.')
        experiment = Experiment.from_run(config or configuration.from_data(run['config']), run)
        template = sharding.on_devices(experiment.state_shapes(), sharding.make_mesh())
        return TrainedRun(experiment, checkpoints.restore_state(template, step).variables, step)

    trained = checkpoints.first_whole(restore, first=None if newest else checkpoints.best_step())
    checkpoints.close()
    return trained
