"""What a trained run says, to be compared between numbers of devices: python eight_devices.py WORKDIR

Prints it as JSON.
"""

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np

from camanet_jax import decoding, sharding
from camanet_jax.evaluate import Evaluator
from camanet_jax.experiment import open_split
from camanet_jax.generate.reporter import Reporter
from camanet_jax.lab.alignment.maps import explain_studies
from camanet_jax.run.workdir import open_trained

DRAWN = jax.nn.log_softmax(np.random.default_rng(0).normal(size=9))  # nine words, the same after every word


def everything(workdir: str) -> dict:
    """Reports and losses of the test split, and reports, alternatives and maps of some of its films."""
    run = open_trained(workdir)
    source = open_split(run.experiment.config, 'test')
    result = Evaluator(run.experiment, sharding.make_mesh()).run(run.variables, source, 'test')
    films = np.stack([run.experiment.study_loader(source)(position)['images'] for position in range(3)])
    written = Reporter(run).generate(films)
    explained = [study for _, study in explain_studies(run, source, [0, 2, 4], 'maps')]
    return {
        'evaluated': [row['report'] for row in result.rows],
        'losses': result.losses,
        'log_probs': [row['log_prob'] for row in result.rows],
        'written': [[report.report, *(other.report for other in report.alternatives)] for report in written],
        'word_log_probs': [report.word_log_probs for report in written],
        'explained': [study.words for study in explained],
        'maps': [study.explanations['reference'].vdm.tolist() for study in explained],
        'drawn': samples().tolist(),
    }


def samples() -> jax.Array:
    """Reports of eight studies drawn word by word."""

    def search(batch, key):
        def step(tokens, position, cache):
            return jnp.broadcast_to(DRAWN, (*tokens.shape, len(DRAWN))), cache

        return decoding.sample(step, (), key, batch=len(batch), max_length=6, beam_size=2).tokens

    found = sharding.by_study(search)(np.zeros(8), jax.random.key(1))
    assert len(found.sharding.device_set) == jax.device_count()
    return found


if __name__ == '__main__':
    print(json.dumps(everything(sys.argv[1])))
