"""Values of this implementation for the batch of a model folder.

Dimension key: B studies, I views, P visual tokens, Y observations, L report tokens, N beams.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from camanet_jax import decoding, losses, optim
from camanet_jax.configuration import VARIANTS
from camanet_jax.lab.parity.conditioning import move
from camanet_jax.models import Camanet
from camanet_jax.torch_io import weight_names
from camanet_jax.train_step import TrainState, train_step

BATCH_NORM_PREFIX = 'visual_extractor.model.'


def model_fields(variant: str) -> dict[str, Any]:
    """The fields of the model that a variant sets."""
    fields = {path.split('.')[-1]: value for path, value in VARIANTS[variant].items()}
    return {name: value for name, value in fields.items() if name in Camanet.__dataclass_fields__}


def make_batch(arrays: Mapping[str, np.ndarray], labels: np.ndarray, dtype: Any) -> dict[str, np.ndarray]:
    """The batch of a reference's inputs, as the pipeline makes it."""
    return {
        'images': arrays['images_u8'],
        'tokens': arrays['report_ids'].astype(np.int32),
        'token_mask': arrays['report_mask'].astype(dtype),
        'labels': labels.astype(dtype),
        'valid': np.ones(len(labels), bool),
    }


@dataclass(frozen=True)
class Case:
    """A batch, weights and settings to compute with.

    Attributes:
      settings: the folder's reference.json.
      batch: of `make_batch`.
      weights: arrays by the official checkpoint's names.
      network: the model of the full system; its variant is set by `model`.
    """

    settings: Mapping[str, Any]
    batch: Mapping[str, np.ndarray]
    weights: Mapping[str, np.ndarray]
    network: nn.Module

    def model(self, variant: str, **fields: Any) -> Camanet:
        """CAMANet in this variant."""
        return self.network.clone(**(model_fields(variant) | fields))

    def moved(self, unit: float, draw: int) -> 'Case':
        """The same case with weights moved by one unit in the last place."""
        return replace(self, weights=move(self.weights, unit, draw))

    def loss_weights(self, **changes: float) -> dict[str, float]:
        """The weights of the losses, with `changes` by field of the configuration."""
        fields = {loss.weight: 0.0 for loss in losses.LOSSES.values() if loss.weight}
        fields |= {
            'report_weight': 1.0,
            'pseudo_label_weight': self.settings['lambda_'],
            'vtac_weight': self.settings['delta'],
        }
        return losses.weights(fields | changes)

    def load(self, model: Camanet) -> dict[str, Any]:
        """The weights as `model`'s variables."""
        inputs = self.batch['images'], self.batch['tokens'][:, :-1]
        template = jax.eval_shape(model.init, jax.random.key(0), *inputs)
        return weight_names.load_variables(self.weights, template, weight_names.naming_of(model))

    @cached_property
    def variables(self) -> dict[str, Any]:
        """The variables of the full system, the same in both variants."""
        return self.load(self.network)


def losses_and_gradients(model: Camanet, variables: Any, batch: Mapping[str, Any], weights: Mapping[str, float]):
    """An evaluation-mode pass and the gradient of the total loss.

    Returns:
      The model's output, the values it sows by name, the unweighted terms and 'total', and gradients by the official
      checkpoint's names.
    """

    def total(params, rest, batch):
        inputs = batch['images'], batch['tokens'][:, :-1]
        output, sown = model.apply({**rest, 'params': params}, *inputs, mutable=['intermediates'])
        means = losses.means(losses.sums(output, batch), losses.denominators(batch))
        return losses.total(means, weights), (output, sown.get('intermediates', {}), means)

    rest = {name: tree for name, tree in variables.items() if name != 'params'}
    evaluate = jax.jit(jax.value_and_grad(total, has_aux=True))
    (value, (output, sown, means)), gradients = evaluate(variables['params'], rest, dict(batch))
    terms = {name: float(mean) for name, mean in means.items()} | {'total': float(value)}
    gradients = weight_names.state_dict({'params': gradients}, weight_names.naming_of(model))
    return output, {name: value for name, (value,) in sown.items()}, terms, gradients


def loss_row(terms: Mapping[str, float], total: str) -> np.ndarray:
    """CE, BCE, MSE, total: the order of `losses` and of a row of `trajectory`."""
    return np.array([terms['report_nll'], terms['pseudo_label_bce'], terms['vtac_mse'], terms[total]], np.float64)


def paper_maps(case: Case, encoding: Any):
    """VDM and VTAC by the paper's rules from the official run's tensors (not a run of the paper variant)."""
    fields = {name: value for name, value in model_fields('paper').items() if name.startswith('tdm_')}
    model, tokens = case.model('official', **fields), case.batch['tokens'][:, :-1]
    decode = jax.jit(partial(model.apply, method='decode'))
    output = decode(case.variables, encoding, tokens)
    paper = case.model('paper')
    vdm = jax.jit(partial(paper.apply, train=False, method='discriminate'))(
        case.variables, encoding.visual_tokens, encoding.pooled_features, None
    )['vdm']
    return vdm, output


def search(case: Case, model: nn.Module, beam_size: int, eos_bias: float) -> decoding.Reports:
    """The N best reports of each study, with `eos_bias` added to the end token's logit."""
    variables = jax.tree.map(lambda leaf: leaf, case.variables)
    bias = np.array(variables['params']['vocabulary_head']['bias'])
    bias[decoding.END] += eos_bias
    variables['params']['vocabulary_head']['bias'] = bias
    generate = jax.jit(
        partial(
            decoding.generate,
            model=model,
            max_length=case.settings['max_seq_length'],
            beam_size=beam_size,
            search=decoding.make_search('beam', full_list=True),
        )
    )
    return generate(variables, case.batch['images'])


def train(case: Case, rates: optim.LearningRates, steps: int):
    """Training on one batch over and over, every dropout 0.

    Returns:
      Losses [steps, 4], running statistics after the first step and all updates, the latter two by the official
      checkpoint's names.
    """
    model = case.model('official', dropout=0.0, projection_dropout=0.0)
    tx = optim.make_optimiser(case.settings['clip_value'], case.settings['weight_decay'])
    start = case.variables['params']
    state = TrainState(jnp.zeros((), jnp.int32), start, case.variables['batch_stats'], tx.init(start))
    step = jax.jit(partial(train_step, model=model, tx=tx))
    rows, statistics = [], {}
    for i in range(steps):
        state, metrics = step(state, dict(case.batch), jax.random.key(0), case.loss_weights(), rates)
        rows.append(loss_row(metrics, 'loss'))
        if i == 0:
            statistics = weight_names.state_dict({'batch_stats': state.batch_stats})
    updates = jax.tree.map(lambda new, old: np.subtract(new, old, dtype=np.float64), state.params, start)
    statistics = {name.removeprefix(BATCH_NORM_PREFIX): value for name, value in statistics.items()}
    return np.stack(rows), statistics, weight_names.state_dict({'params': updates})
