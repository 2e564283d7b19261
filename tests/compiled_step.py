"""Prints a compiled step of the tiny model: python compiled_step.py ACCUMULATE|evaluate

The first line is a JSON list of the parameters' shapes.
"""

import json
import sys
from pathlib import Path

import jax
from traced_programs import programs

from camanet_jax.evaluate import Evaluator
from camanet_jax.lab.benchmarks import train
from camanet_jax.lab.benchmarks.workload import read_workload

CONFIG = Path(__file__).parents[1] / 'configs' / 'demo.py'

if __name__ == '__main__':
    evaluating = sys.argv[1] == 'evaluate'
    workload = read_workload(CONFIG, small=True, batch_size=16, accumulate=1 if evaluating else int(sys.argv[1]))
    print(json.dumps([leaf.shape for leaf in jax.tree.leaves(train.make_state(workload).params)]))
    if evaluating:
        step = Evaluator(workload.experiment, workload.mesh).step_function
        lowered = step.lower(workload.variables(), workload.batch(16), jax.random.key(0))
    else:
        lowered = programs(workload)['train_step']().lower()
    print(lowered.compile().as_text())
