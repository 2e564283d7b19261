"""Prints the compiled training step of the tiny model: python compiled_step.py ACCUMULATE

The first line is a JSON list of the parameters' shapes.
"""

import json
import sys
from pathlib import Path

import jax

from camanet_jax.lab.benchmarks import startup, train
from camanet_jax.lab.benchmarks.workload import read_workload

CONFIG = Path(__file__).parents[1] / 'configs' / 'demo.py'

if __name__ == '__main__':
    workload = read_workload(CONFIG, small=True, batch_size=16, accumulate=int(sys.argv[1]))
    print(json.dumps([leaf.shape for leaf in jax.tree.leaves(train.make_state(workload).params)]))
    print(startup.programs(workload)['train_step']().lower().compile().as_text())
