"""One of two processes that leave a run's pages to process 0: python explain_alone.py WORKDIR

Process 0 must work with what lives on its own devices, and process 1 must run nothing meanwhile.
"""

import sys
from pathlib import Path

import jax

from camanet_jax import results
from camanet_jax.experiment import open_split
from camanet_jax.explain import explain
from camanet_jax.reporting import run_report
from camanet_jax.run.runtime import processes_from_environment
from camanet_jax.run.workdir import open_trained


def explain_own(variables, *arguments, **options):
    """Refuses variables that live on another process's devices too."""
    assert all(leaf.is_fully_addressable for leaf in jax.tree.leaves(variables))
    return explain(variables, *arguments, **options)


if __name__ == '__main__':
    jax.distributed.initialize(**processes_from_environment())
    workdir = Path(sys.argv[1])
    run = open_trained(workdir)
    assert not any(leaf.is_fully_addressable for leaf in jax.tree.leaves(run.variables))
    test = open_split(run.experiment.config, 'test')
    run_report.explain, programs = explain_own, []
    jax.monitoring.register_event_duration_secs_listener(lambda name, *_, **__: programs.append(name))
    written = results.write_pages(workdir, run.experiment, run.variables, test)
    assert bool(written) == bool(programs) == (jax.process_index() == 0), programs
    print('alone')
