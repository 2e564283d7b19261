"""The training step: speed, time split, cost, memory.

python scripts/benchmark.py train --config=configs/iu_xray.py --batch_size=8 [--step_only]

The step is cut into prefixes: programs that each do the work of the one before and some more. XLA fuses across what the
source keeps apart, so the parts of one program cannot be timed inside it; the differences between prefixes can. A
prefix computes in training mode: dropout on, batch statistics. B studies, D width.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from camanet_jax import losses, sharding
from camanet_jax.experiment import dtype
from camanet_jax.lab.benchmarks import cost
from camanet_jax.lab.benchmarks.timing import Timing, measure, split
from camanet_jax.lab.benchmarks.workload import Workload
from camanet_jax.models.camanet import Camanet, input_mask, normalise_images
from camanet_jax.train_step import TrainState, forward, train_step

NOTES = (
    'The split comes from timing jitted prefixes of the step, each with the work of the one before: a part is a '
    'difference of two medians, and can be slightly negative where it is smaller than the noise.',
    'backward holds the whole gradient, the saving of activations included; update is the optimiser and the metrics.',
    'XLA counts a loop once: the rounds of the memory are added from a program of one round. On CPU the bytes of the '
    'gradients that are made a few films at a time are those of one such part.',
    'kept is what the forward pass hands to the backward pass before compilation; temporary is what the compiler made '
    'of it, scratch space included.',
    'XLA counts the bytes of every fused operation, caches or not: their share of the copy peak may exceed 1.',
)

Program = Callable[..., Any]


def run_step(workload: Workload, repeats: int) -> dict[str, Any]:
    """Measures the step that training runs, one compilation."""
    step = compile_step(workload)
    timing = measure({'step': step.stepper}, repeats)['step']
    return {
        'workload': workload.describe(workload.config.batch_size) | {'accumulate': workload.config.accumulate},
        'speed': speed(workload, timing),
        'step': timing.as_dict(),
        'compilation': {'lower_seconds': step.lowering, 'compile_seconds': step.compiling},
        'memory': cost.peak_memory() | cost.program_memory(step.compiled),
    }


def run(workload: Workload, repeats: int) -> dict[str, Any]:
    """Measures the step that training runs, and prefixes of it."""
    config = workload.config
    variables = workload.variables()
    made = compile_step(workload)
    made.stepper()
    part_args = part_arguments(workload, (variables['params'], variables['batch_stats']))
    kept = sum(array.size * array.dtype.itemsize for array in kept_by_pass(workload, part_args))
    memory_use = cost.peak_memory() | cost.program_memory(made.compiled) | {'kept_bytes': kept}

    traces = {
        name: jax.jit(program).trace(*part_args) for name, program in prefixes(workload.experiment.model()).items()
    }
    programs = {name: partial(program.lower().compile(), *part_args) for name, program in traces.items()}
    timings = measure({**programs, 'update': made.stepper}, repeats)
    step = timings['update']
    # Prefixes were timed on one accumulated part.
    whole = {name: timings[name].times(config.accumulate) for name in programs} | {'update': step}
    peaks = cost.measure_peaks(dtype(config.dtype))
    backward = cost.gradient_cost(traces['backward'], programs['backward'].func, jax.device_count())
    total = step_cost(workload, cost.gradient_cost(made.traced, made.compiled), backward, variables['params'])
    return {
        'workload': workload.describe(config.batch_size) | {'accumulate': config.accumulate},
        'speed': speed(workload, step),
        'step': step.as_dict(),
        'split': split(whole),
        'achieved': cost.achieved(total, step.median, peaks),
        'peaks': peaks.as_dict(),
        'memory': memory_use,
        'notes': list(NOTES),
    }


def speed(workload: Workload, step: Timing) -> dict[str, float]:
    """Studies and films a second."""
    studies = workload.config.batch_size / step.median
    return {'studies_per_second': studies, 'images_per_second': studies * workload.views}


class CompiledStep(NamedTuple):
    """The step as traced and as compiled, a `Stepper` of it, and the seconds of lowering and compiling."""

    traced: jax.stages.Traced
    compiled: jax.stages.Compiled
    stepper: 'Stepper'
    lowering: float
    compiling: float


def compile_step(workload: Workload) -> CompiledStep:
    """Compiles the step of the configured batch."""
    config = workload.config
    sharding.check_batch_size('batch_size', config.batch_size, config.accumulate)
    state, batch, args = make_state(workload), workload.batch(config.batch_size), step_arguments(workload)
    began = time.perf_counter()
    traced = step_function(workload).trace(state, batch, *args)
    lowered = traced.lower()
    middle = time.perf_counter()
    compiled = lowered.compile()
    stepper = Stepper(compiled, state, batch, args)
    return CompiledStep(traced, compiled, stepper, middle - began, time.perf_counter() - middle)


class Stepper:
    """Training steps one after the other; every call makes one and returns its metrics."""

    def __init__(self, compiled, state: TrainState, batch, args):
        self._compiled, self._state, self._batch, self._args = compiled, state, batch, args

    def __call__(self):
        self._state, metrics = self._compiled(self._state, self._batch, *self._args)
        return metrics


def make_state(workload: Workload) -> TrainState:
    """Random parameters with the optimiser's first state, on all devices."""
    variables, tx = workload.variables(), workload.experiment.optimiser()
    opt_state = jax.jit(tx.init, out_shardings=sharding.replicated(workload.mesh))(variables['params'])
    return TrainState(jnp.zeros((), jnp.int32), variables['params'], variables['batch_stats'], opt_state)


def step_function(workload: Workload):
    """The jitted step as `camanet_jax.train` has it."""
    experiment = workload.experiment
    step = partial(
        train_step,
        model=experiment.model(),
        tx=experiment.optimiser(),
        mesh=workload.mesh,
        accumulate=workload.config.accumulate,
    )
    return jax.jit(step, donate_argnums=0, out_shardings=sharding.replicated(workload.mesh))


def step_arguments(workload: Workload) -> tuple:
    """Key, weights of the losses and learning rates."""
    experiment = workload.experiment
    return jax.random.key(workload.config.seed), experiment.loss_weights(), experiment.learning_rates(0, 1000)


def part_arguments(workload: Workload, variables: tuple) -> tuple:
    """Arguments of the prefixes: the part of a batch that is in memory at a time."""
    part = workload.batch(workload.config.batch_size // workload.config.accumulate)
    key, weights, _ = step_arguments(workload)
    return *variables, part, key, weights


def kept_by_pass(workload: Workload, part_args: tuple) -> list[jax.ShapeDtypeStruct]:
    """Arrays that the forward pass over one part keeps for the backward pass, before compilation."""
    params, *others = part_args
    model = workload.experiment.model()

    def backward(params):
        return jax.vjp(lambda params: loss(params, *others, model=model)[0], params)[1]

    return jax.tree.leaves(jax.eval_shape(backward, params))


def step_cost(workload: Workload, step: cost.Cost, backward: cost.Cost, params) -> cost.Cost:
    """The step's cost with every part of the batch and every round of the memory counted."""
    config, model = workload.config, workload.experiment.model()
    parts = config.accumulate
    embedded = jnp.zeros((config.batch_size // jax.device_count() // parts, config.model.width), model.dtype)
    one_round = jax.jit(memory_round(model)).lower(params, embedded, jax.random.key(0)).compile()
    rounds = config.data.max_seq_length - 1
    return step.and_also(backward, parts - 1).and_also(cost.cost_of(one_round), parts * (rounds - 1))


def backbone(model: Camanet, batch: dict[str, jax.Array]):
    """Features of the films."""
    return model.backbone(normalise_images(batch['images'], model.dtype), train=True)


def encoder(model: Camanet, batch: dict[str, jax.Array]):
    """Everything visual: backbone, classifier, VDM and encoder."""
    encoding = model.encode(batch['images'], labels=batch['labels'], train=True)
    return encoding, encoding.decoder_input


def memory(model: Camanet, batch: dict[str, jax.Array]):
    """The visual side and the relational memory."""
    embedded = model.embed(batch['tokens'][:, :-1], train=True)
    return encoder(model, batch)[1], model.memory(embedded, train=True)


def decoder(model: Camanet, batch: dict[str, jax.Array]):
    """The whole pass up to the vocabulary's logits."""
    output = model(batch['images'], batch['tokens'][:, :-1], labels=batch['labels'], train=True)
    return output.encoding.decoder_input, output.logits


MODULE_PARTS = {'backbone': backbone, 'encoder': encoder, 'memory': memory, 'decoder': decoder}


def loss(params, batch_stats, batch, key, weights, *, model: Camanet):
    """The objective, and as auxiliary output the new statistics and the unweighted losses."""
    width = input_mask(batch['tokens'][:, :-1]).sum(1).max()
    output, batch_stats = forward({'params': params, 'batch_stats': batch_stats}, batch, key, width, model=model)
    means = losses.means(losses.sums(output, batch), losses.denominators(batch))
    return losses.total(means, weights), (batch_stats, means)


def prefixes(model: Camanet) -> dict[str, Program]:
    """Programs of (params, batch_stats, batch, key, weights), in order."""

    def module_program(part):
        def program(params, batch_stats, batch, key, weights):
            del weights
            return model.apply(
                {'params': params, 'batch_stats': batch_stats},
                batch,
                method=part,
                rngs={'dropout': key},
                mutable=['batch_stats'],
            )

        return program

    def loss_program(*args):
        return loss(*args, model=model)

    forward = {name: module_program(part) for name, part in MODULE_PARTS.items()}
    return forward | {'loss': loss_program, 'backward': jax.value_and_grad(loss_program, has_aux=True)}


def memory_round(model: Camanet) -> Program:
    """Gradient of one round of the memory's scan: a program of (params, embedded [B, D], key)."""

    def one_round(params, embedded, key):
        def step(module, memory, inputs):
            return module.memory.step(memory, inputs, train=True).sum()

        variables = {'params': params}
        inputs = model.apply(variables, embedded, method=lambda module, x: module.memory.project(x))
        state = model.apply(variables, method=lambda module: module.memory.initial(len(embedded)))

        def value(params, state, inputs):
            return model.apply({'params': params}, state, inputs, method=step, rngs={'dropout': key})

        return jax.grad(value, argnums=(0, 1, 2))(params, state, inputs)

    return one_round
