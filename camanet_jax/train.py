"""Training, read from top to bottom: data, model, restored state, the loop of steps and epochs, the final scores."""

import logging
import math
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from camanet_jax import configuration, evaluate, results, sharding
from camanet_jax.checkpoint import Checkpoints, Selection, has_checkpoint
from camanet_jax.data.pipeline import steps_per_epoch
from camanet_jax.data.sources import Source
from camanet_jax.experiment import Experiment, build_tokenizer, open_split
from camanet_jax.initialise import read_initial_weights, with_initial_weights
from camanet_jax.metrics_log import MetricsLog
from camanet_jax.progress import Progress
from camanet_jax.train_step import TrainState, init_state, train_step
from camanet_jax.workdir import claim_workdir

LOG = logging.getLogger(__name__)

STEPS_BETWEEN_AGREEMENTS = 50  # with several processes, which must save at the same step


class NonFiniteLoss(RuntimeError):
    """Training diverged; the message names the step and the checkpoint that is still good."""


def train(config: ConfigDict, workdir: Path) -> None:
    """Trains, or goes on training, in `workdir` until the last epoch or the early stop; then scores the best epoch.

    Args:
      config: resolved (`variants.fill_variant`).
      workdir: a new folder, or one that the same configuration has begun.
    """
    sharding.log_devices()
    sharding.check_batch_size('batch_size', config.batch_size, config.accumulate)
    sharding.check_batch_size('evaluation.batch_size', config.evaluation.batch_size)
    mesh = sharding.make_mesh()

    # 1. Data and vocabulary. Everything is checked before the workdir is touched.
    train_source, val_source = open_split(config, 'train'), open_split(config, 'val')
    experiment = Experiment(config, build_tokenizer(config, train_source))
    epoch_steps = steps_per_epoch(train_source, config.batch_size)
    total_steps = config.epochs * epoch_steps
    LOG.info('%d training and %d validation studies, %d words, %d steps an epoch', len(train_source),
                 len(val_source), len(experiment.tokenizer), epoch_steps)
    weights = None if has_checkpoint(workdir) else read_initial_weights(experiment)
    claim_workdir(workdir, config, experiment.tokenizer)

    # 2. Model, optimiser and the one jitted step.
    model, tx = experiment.model(), experiment.optimiser()
    key = jax.random.key(config.seed)
    batches = experiment.train_batches(train_source)
    step_function = jax.jit(partial(train_step, model=model, tx=tx, accumulate=config.accumulate), donate_argnums=0,
                            out_shardings=sharding.replicated(mesh))
    objective = experiment.objective()
    evaluator = evaluate.Evaluator(experiment, mesh)

    # 3. State: the newest checkpoint's, or a fresh one.
    checkpoints = Checkpoints(workdir)
    make_state = jax.jit(lambda: init_state(model, tx, key, experiment.example_batch()),
                         out_shardings=sharding.replicated(mesh))
    start = checkpoints.latest_step()
    if start is None:
        start, state = 0, with_initial_weights(make_state(), weights, mesh)
    else:
        run = checkpoints.read_run()
        state = checkpoints.restore_state(sharding.on_devices(jax.eval_shape(make_state), mesh))
        batches.set_state(run['batches'])
        key = jax.random.wrap_key_data(np.array(run['key'], np.uint32))
        vars(checkpoints.selection).update(run['selection'])
        LOG.info('Going on after step %d', start)
    selection = checkpoints.selection
    log = MetricsLog(workdir, resume_after=start, active=jax.process_index() == 0)

    def save(step: int) -> None:
        run = {'batches': batches.get_state(), 'key': jax.random.key_data(key).tolist(),
               'vocabulary': experiment.tokenizer.to_json(), 'config': configuration.as_data(config)}
        checkpoints.save(step, state, run)

    # 4. The loop. A step's metrics are read while the next one runs.
    stop = StopSignal()
    clock = SaveClock(config.checkpoint_every_minutes)
    progress = Progress('Training', total_steps, start)
    records = StepRecords(log, progress, config.batch_size * config.data.views, epoch_steps, checkpoints)
    for step in range(start, total_steps):
        if selection.epochs_since_best >= config.early_stop:
            break
        batch = sharding.put_batch(next(batches), mesh)
        rates = experiment.learning_rates(step, epoch_steps)
        state, metrics = step_function(state, batch, key, objective, rates)
        records.add(step + 1, metrics, rates)
        stopping = stop.requested(step)  # asked once: a signal that comes later is for the next step
        if (step + 1) % epoch_steps == 0:
            records.flush()
            validate(evaluator, state, val_source, log, selection, step + 1, (step + 1) // epoch_steps)
            save(step + 1)
            clock.restart()
            records.restart_clock()
        elif stopping or clock.due(step):
            records.flush()
            save(step + 1)
            clock.restart()
        if stopping:
            checkpoints.wait()
            LOG.warning('Stopped by SIGTERM after step %d; the same command goes on from here', step + 1)
            return
    records.flush()
    progress.close()
    batches.close()
    checkpoints.wait()
    log.close()
    stop.exit_at_once()

    # 5. Scores of the selected epoch, on val and test.
    best = selection.best_step
    LOG.info('Best epoch %s (step %s), validation BLEU-4 + 0.5 BLEU-1 = %.4f', selection.best_epoch, best,
                 selection.best_score)
    if best != int(state.step):
        state = checkpoints.restore_state(sharding.on_devices(jax.eval_shape(make_state), mesh), best)
    checkpoints.close()
    results.write_results(workdir, evaluator, evaluate.as_variables(state), best)


def validate(evaluator: evaluate.Evaluator, state: TrainState, source: Source, log: MetricsLog, selection: Selection,
             step: int, epoch: int) -> None:
    """Scores the validation split, logs it and tells the selection."""
    began = time.monotonic()
    result = evaluator.run(evaluate.as_variables(state), source, f'Validating epoch {epoch}')
    scores = evaluate.language_scores(result, evaluator.experiment)
    better = selection.update(scores['selection_score'], step, epoch)
    log.write(step, epoch, 'val', result.losses | scores | {'time/seconds': time.monotonic() - began})
    LOG.info('Epoch %d: val BLEU-4 %.4f, BLEU-1 %.4f, CIDEr %.4f, %d distinct reports of %d%s', epoch,
                 scores['BLEU_4'], scores['BLEU_1'], scores['CIDEr'], scores['distinct_reports'], len(result.rows),
                 ' (best so far)' if better else '')


class StepRecords:
    """Writes each step's metrics one step late, so that reading them does not hold up the device."""

    def __init__(self, log: MetricsLog, progress: Progress, images: int, epoch_steps: int, checkpoints: Checkpoints):
        self._log, self._progress, self._checkpoints = log, progress, checkpoints
        self._images, self._epoch_steps = images, epoch_steps
        self._pending: tuple | None = None
        self._last = time.monotonic()

    def add(self, step: int, metrics: dict[str, jax.Array], rates) -> None:
        """Takes step `step`'s metrics (counted from 1) and writes those of the step before."""
        self.flush()
        self._pending = step, metrics, rates

    def restart_clock(self) -> None:
        """Leaves the time since the last step out of the next one's."""
        self._last = time.monotonic()

    def flush(self) -> None:
        """Writes what is pending; raises NonFiniteLoss where training has diverged."""
        if self._pending is None:
            return
        step, metrics, rates = self._pending
        self._pending = None
        values = {name: float(value) for name, value in sorted(jax.device_get(metrics).items())}
        if not all(map(math.isfinite, values.values())):  # the update's norm too: it is part of the state by now
            raise NonFiniteLoss(self._describe(step, values))
        seconds, self._last = time.monotonic() - self._last, time.monotonic()
        values |= {'lr_backbone': rates.backbone, 'lr_decoder': rates.decoder, 'time/seconds': seconds,
                   'time/images_per_second': self._images / seconds}
        self._log.write(step, (step - 1) // self._epoch_steps + 1, 'train', values)
        self._progress.advance(f'loss {values["loss"]:.3f}, {self._images / seconds:.0f} images/s')

    def _describe(self, step: int, values: dict[str, float]) -> str:
        self._checkpoints.wait()
        bad = ', '.join(f'{name}={value}' for name, value in values.items() if not math.isfinite(value))
        good = self._checkpoints.latest_step()
        return (f'Step {step} gave {bad}. The last good checkpoint is '
                f'{"none" if good is None else f"step {good} in {self._checkpoints.folder}"}. '
                'Lower the learning rates, or look at the batch of this step.')


class StopSignal:
    """Notes SIGTERM; the loop saves and leaves at the next step that all processes agree on."""

    def __init__(self):
        self._received = False
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, *_: Any) -> None:
        self._received = True

    def exit_at_once(self) -> None:
        """From now on, with everything saved, the signal ends the process."""
        if self._received:
            sys.exit(0)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    def requested(self, step: int) -> bool:
        """Whether to stop after `step`."""
        return agreed(self._received, step)


class SaveClock:
    """When a checkpoint within an epoch is due."""

    def __init__(self, minutes: float):
        self._seconds = 60 * minutes
        self.restart()

    def restart(self) -> None:
        """Counts from now."""
        self._last = time.monotonic()

    def due(self, step: int) -> bool:
        """Whether to save after `step`."""
        return agreed(time.monotonic() - self._last >= self._seconds, step)


def agreed(wish: bool, step: int) -> bool:
    """What any process wishes, told to all; with several processes they confer only every so many steps."""
    if jax.process_count() == 1:
        return wish
    if step % STEPS_BETWEEN_AGREEMENTS:
        return False
    return bool(multihost_utils.process_allgather(np.array(wish)).any())
