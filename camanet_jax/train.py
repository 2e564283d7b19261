"""Training, read from top to bottom: data, model, restored state, the loop of steps and epochs, the final scores."""

import dataclasses
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from camanet_jax import configuration, results, sharding
from camanet_jax.data.pipeline import BatchIterator, steps_per_epoch
from camanet_jax.data.schema import check_labels
from camanet_jax.data.sources import Source
from camanet_jax.evaluate import Evaluator
from camanet_jax.experiment import Experiment, build_tokenizer, open_splits
from camanet_jax.metrics import nlg
from camanet_jax.preparation.folder import require_space
from camanet_jax.preparation.sanity import warn_of_data
from camanet_jax.pretrained import read_initial_weights, with_initial_weights
from camanet_jax.run.checkpoint import Checkpoints, SaveClock, StopSignal, has_checkpoint
from camanet_jax.run.metrics_log import MetricsLog, StepMetrics, WallTime
from camanet_jax.run.progress import Progress
from camanet_jax.run.workdir import claim_workdir, only_writer
from camanet_jax.run.workers import Stopped, WorkerDied
from camanet_jax.train_step import TrainState, init_state, train_step

LOG = logging.getLogger(__name__)

FEW_DISTINCT = 0.05  # a smaller share of different reports is worth a warning


def train(config: ConfigDict, workdir: Path) -> None:
    """Trains in `workdir`, or resumes, until the last epoch or the early stop; then scores the best epoch.

    Args:
      config: resolved (`configuration.fill_variant`).
      workdir: a new folder, or one that the same configuration has begun.

    Raises:
      Stopped: a signal came; all is saved.
    """
    clock = WallTime()
    sharding.log_devices()
    sharding.check_batch_size('batch_size', config.batch_size, config.accumulate)
    sharding.check_batch_size('evaluation.batch_size', config.evaluation.batch_size)

    # 1. Data and vocabulary. Everything is checked before the workdir is touched.
    train_source, val_source, _ = splits = open_splits(config)
    check_labels(train_source.studies, config.data_dir or config.data.name)
    experiment = Experiment(config, build_tokenizer(config, train_source))
    experiment.check()
    nlg.find_meteor()
    warn_of_data(splits, experiment.tokenizer, config.data.max_seq_length)
    epoch_steps = steps_per_epoch(train_source, config.batch_size)
    LOG.info(
        '%d training and %d validation studies, %d words, %d steps an epoch',
        len(train_source),
        len(val_source),
        len(experiment.tokenizer),
        epoch_steps,
    )
    weights = None if has_checkpoint(workdir) else read_initial_weights(experiment)
    claim_workdir(workdir, experiment, train_source.content)

    with only_writer(workdir):
        fit(make_training(experiment, workdir, train_source, val_source, epoch_steps, clock), workdir, weights)


def fit(training: 'Training', workdir: Path, weights: Any) -> None:
    """Trains from the newest checkpoint, or from `weights`, to the end, and writes the scores."""
    require_space(training.checkpoints.missing_bytes(training.state_template()), workdir, 'checkpoints')
    # 2. The state: the newest checkpoint's, or a fresh one.
    if training.checkpoints.latest_step() is None:
        start, state = 0, with_initial_weights(training.make_state(), weights, training.mesh)
    else:
        start, state = training.checkpoints.first_whole(training.restore)
        training.checkpoints.set_aside_after(start)
        LOG.info('Resuming after step %d', start)
    log = MetricsLog(workdir, start, validated=training.validated, active=jax.process_index() == 0)

    # 3. Steps and epochs.
    stop = StopSignal()
    training.batches.stopping = stop.noted
    state, finished = run_steps(training, state, start, log, stop)
    log.close()
    training.batches.close()
    training.checkpoints.wait()
    if not finished:
        LOG.warning('Stopped by %s after step %d; the same command resumes from here', stop.name, state.step)
        raise Stopped
    stop.exit_at_once()

    # 4. Scores of the selected epoch, on val and test.
    best = training.checkpoints.selection
    LOG.info(
        'Selected epoch %s (step %s), selection score %.4f',
        best.best_epoch,
        best.best_step,
        best.best_score,
    )
    if best.best_step != int(state.step):
        state = training.checkpoints.restore_state(training.state_template(), best.best_step)
    training.checkpoints.close()
    results.write_results(workdir, training.evaluator, state.variables, best.best_step)


def run_steps(
    training: 'Training', state: TrainState, start: int, log: MetricsLog, stop: StopSignal
) -> tuple[TrainState, bool]:
    """Runs the loop. A step's metrics are read while the next one runs. Returns False where a signal ended it early."""
    config, epoch_steps, clock = training.experiment.config, training.epoch_steps, training.clock
    total = config.epochs * epoch_steps
    save_clock = SaveClock(config.checkpoint_every_minutes)
    with Progress('Training', total, start) as progress:
        records = StepMetrics(log, progress, config.batch_size * config.data.views, epoch_steps, training.checkpoints)
        revalidated = not training.validated
        if revalidated and not training.try_to_validate(state, start, log, stop):
            return state, False
        for step in range(start, total):
            if training.checkpoints.selection.epochs_since_best >= config.early_stop:
                break
            try:
                with clock.during('input'):
                    batch = sharding.put_batch(next(training.batches), training.mesh)
            except WorkerDied:
                records.flush()
                if step > start:
                    training.save_at_once(state, step)
                raise
            batch = training.experiment.batch_maker(state, batch, jax.random.fold_in(training.key, step))
            rates = training.experiment.learning_rates(step, epoch_steps)
            state, metrics = training.step_function(state, batch, training.key, training.weights, rates)
            clock.turn_to('steps')  # the first one's compilation is start-up
            records.add(step + 1, metrics, rates)
            stopping = stop.requested(step)  # asked once: a signal that comes later is for the next step
            epoch_ends = (step + 1) % epoch_steps == 0
            if epoch_ends or stopping or save_clock.due(step):
                records.flush()
                if epoch_ends and not training.try_to_validate(state, step + 1, log, stop):
                    return state, False
                with clock.during('saving'):
                    training.save(state, step + 1)
                save_clock.restart()
                records.restart_clock()
            if stopping:
                return state, False
        records.flush()
        if revalidated and state.step == start:  # no later checkpoint holds the selection
            training.checkpoints.remove(start)
            training.save(state, start)
    return state, True


@dataclasses.dataclass
class Training:
    """Everything that the loop works with, apart from the state that it hands on.

    Attributes:
      step_function: the one jitted step; it takes the state away from its caller (donation).
      make_state: makes a fresh state on the mesh. key: the root of all of the run's randomness on the device.
    """

    experiment: Experiment
    mesh: Mesh
    batches: BatchIterator
    val_source: Source
    evaluator: Evaluator
    checkpoints: Checkpoints
    step_function: Callable[..., tuple[TrainState, dict[str, jax.Array]]]
    make_state: Callable[[], TrainState]
    key: jax.Array
    epoch_steps: int
    clock: WallTime

    def __post_init__(self):
        self.weights = self.experiment.loss_weights()
        self.validated = True  # or the epoch that the state ends has been trained, but not validated yet

    def state_template(self) -> Any:
        """Shapes and shardings of a state, for restoring one."""
        return sharding.on_devices(jax.eval_shape(self.make_state), self.mesh)

    def restore(self, step: int) -> tuple[int, TrainState]:
        """Restores a checkpoint: returns step and state; key, position in the data and selection are set here."""
        run, state = self.checkpoints.read_run(step), self.checkpoints.restore_state(self.state_template(), step)
        self.batches.set_state(run['batches'])
        self.validated = run.get('validated', True)
        self.key = jax.random.wrap_key_data(np.array(run['key'], np.uint32))
        self.checkpoints.selection.restore(run['selection'])
        return step, state

    def save(self, state: TrainState, step: int) -> None:
        """Starts a checkpoint of everything that the run needs to resume."""
        run = {
            'batches': self.batches.get_state(),
            'validated': self.validated,
            'key': jax.random.key_data(self.key).tolist(),
            'vocabulary': self.experiment.tokenizer.to_json(),
            'config': configuration.as_data(self.experiment.config),
        }
        self.checkpoints.save(step, state, run)

    def save_at_once(self, state: TrainState, step: int) -> None:
        """Saves before the run ends in an error; not with several processes, since the others do not know of it."""
        if jax.process_count() == 1:
            self.save(state, step)
            self.checkpoints.wait()

    def try_to_validate(self, state: TrainState, step: int, log: MetricsLog, stop: StopSignal) -> bool:
        """Validates; where a signal or an error prevents it, saves, for a later run to validate first.

        Returns:
          False where a signal did.
        """
        saved, self.validated = not self.validated, False
        before = dataclasses.asdict(self.checkpoints.selection)
        try:
            with stop.interrupting(), self.clock.during('validation'):
                self.validate(state, step, log)
        except (Exception, Stopped) as error:
            self.checkpoints.selection.restore(before)
            if not saved:
                self.save_at_once(state, step)
            if isinstance(error, Stopped):
                return False
            raise
        self.validated = True
        return True

    def validate(self, state: TrainState, step: int, log: MetricsLog) -> None:
        """Scores the validation split, logs the scores and updates the selection."""
        epoch = step // self.epoch_steps
        result = self.evaluator.run(state.variables, self.val_source, f'Validating epoch {epoch}')
        scores = self.evaluator.language_scores(result)
        if self.experiment.config.selection == 'last':
            scores['selection_score'] = float(epoch)
        better = self.checkpoints.selection.update(scores['selection_score'], step, epoch)
        extra = self.evaluator.extra_scores(result.rows)
        log.write(step, epoch, 'val', result.losses | scores | extra | self.clock.take())
        LOG.info(
            'Epoch %d: val BLEU-4 %.4f, BLEU-1 %.4f, CIDEr %.4f, %d distinct reports of %d%s',
            epoch,
            scores['BLEU_4'],
            scores['BLEU_1'],
            scores['CIDEr'],
            scores['distinct_reports'],
            len(result.rows),
            ' (best so far)' if better else '',
        )
        warn_of_few_reports(scores['distinct_reports'], len(result.rows))


def warn_of_few_reports(distinct: int, studies: int) -> None:
    """Warns where a model writes nearly the same for all films."""
    if distinct < FEW_DISTINCT * studies:
        LOG.warning(
            'Only %d different reports for %d studies. That is usual in the first epochs; later, look at the learning '
            "rates, and at the scores beside the constant report's.",
            *(distinct, studies),
        )


def make_training(
    experiment: Experiment,
    workdir: Path,
    train_source: Source,
    val_source: Source,
    epoch_steps: int,
    clock: WallTime,
) -> Training:
    """Model, optimiser and the jitted functions of a run."""
    config, mesh = experiment.config, sharding.make_mesh()
    model, tx, key = experiment.model(), experiment.optimiser(), jax.random.key(config.seed)
    everywhere = sharding.replicated(mesh)
    step = partial(
        train_step,
        model=model,
        tx=tx,
        accumulate=config.accumulate,
        table=experiment.loss_table(),
        frozen=config.optimiser.frozen,
        mesh=mesh,
    )
    make_state = partial(init_state, model, tx, key, experiment.example_batch())
    return Training(
        experiment,
        mesh,
        experiment.train_batches(train_source),
        val_source,
        Evaluator(experiment, mesh),
        Checkpoints(workdir),
        jax.jit(step, donate_argnums=0, out_shardings=everywhere),
        jax.jit(make_state, out_shardings=everywhere),
        key,
        epoch_steps,
        clock,
    )
