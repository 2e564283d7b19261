"""The programs that a run compiles, traced on made studies."""

from collections.abc import Callable

import jax

from camanet_jax.lab.benchmarks import decode, train
from camanet_jax.lab.benchmarks.workload import Workload


def programs(workload: Workload) -> dict[str, Callable[[], jax.stages.Traced]]:
    """The programs of training and generating, each as a function that traces it."""
    config, state = workload.config, train.make_state(workload)
    variables = {'params': state.params, 'batch_stats': state.batch_stats}
    batch, films = workload.batch(config.batch_size), workload.batch(config.evaluation.batch_size)['images']
    encoding = jax.eval_shape(decode.encode_function(workload), variables, films)
    length = config.data.max_seq_length
    return {
        'train_step': lambda: train.step_function(workload).trace(state, batch, *train.step_arguments(workload)),
        'encode': lambda: decode.encode_function(workload).trace(variables, films),
        'search': lambda: decode.search_function(workload, length).trace(variables, encoding),
    }
