"""How many parameters the paper's systems have at the paper's size; only shapes are worked out."""

import math

import jax

from camanet_jax.configuration import recipe
from camanet_jax.lab.ablation.systems import TIMED, system_config
from camanet_jax.lab.benchmarks.workload import PUBLISHED_VOCABULARIES, Workload

RECIPES = {'IU-Xray': 'iu_xray', 'MIMIC-CXR': 'mimic'}


def published_parameters() -> list[tuple[str, str, int]]:
    """Data set, system and number of parameters, with the vocabularies of the authors' checkpoints."""
    found = []
    for data_set, name in RECIPES.items():
        for system in TIMED:
            config = system_config(recipe(name), system, 0)
            found.append((data_set, system, count(Workload(config, PUBLISHED_VOCABULARIES[config.data.cleaner]))))
    return found


def count(workload: Workload) -> int:
    """Parameters of a configuration; running statistics do not count."""
    model, example = workload.experiment.model(), workload.experiment.example_batch()
    shapes = jax.eval_shape(model.init, jax.random.key(0), example['images'], example['tokens'][:, :-1])
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes['params']))
