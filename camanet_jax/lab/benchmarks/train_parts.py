"""The training step cut into prefixes: programs that each do the work of the one before and some more.

XLA fuses across what the source keeps apart, so the parts of one program cannot be timed inside it; the differences
between prefixes can. A prefix computes in training mode: dropout on, batch statistics.
"""

from collections.abc import Callable
from typing import Any

import jax

from camanet_jax import losses
from camanet_jax.models.camanet import Camanet, input_mask, normalise_images
from camanet_jax.train_step import forward

Program = Callable[..., Any]


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


def loss(params, batch_stats, batch, key, objective: losses.Objective, *, model: Camanet):
    """The objective, and as auxiliary output the new statistics and the unweighted terms."""
    counts = losses.counts(batch)
    width = input_mask(batch['tokens'][:, :-1]).sum(1).max()
    output, batch_stats = forward(params, batch_stats, batch, key, objective, width, model=model)
    means = {name: value.sum() / counts[name] for name, value in losses.terms(output, batch).items()}
    return losses.total(means, objective), (batch_stats, means)


def prefixes(model: Camanet) -> dict[str, Program]:
    """Programs of (params, batch_stats, batch, key, objective), in order."""

    def module_program(part):
        def program(params, batch_stats, batch, key, objective):
            del objective
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

    found = {name: module_program(part) for name, part in MODULE_PARTS.items()}
    return found | {'loss': loss_program, 'backward': jax.value_and_grad(loss_program, has_aux=True)}


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
