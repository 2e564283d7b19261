"""Trains and scores the systems of the paper's ablation, and writes its tables beside the paper's values.

    python scripts/run_ablations.py --config=configs/ablation.py --output=runs/ablation \
        --systems=base,vdmae,camanet,clip_0.1,clip_0.25 --seeds=3

The same command resumes where it was stopped, and does nothing the second time. A grid is completed by the code that
began it: runs of other sources of the package are refused. The systems are those of
camanet_jax/lab/ablation/systems.py, and camanet_k0.15 for another share of words. --tables_only rewrites the tables
of the existing runs; --compare=DIR1,DIR2,DIR3 draws studies by several runs, one figure a study. Fields are
changed as for a single run, e.g. --config.epochs=2.
"""

import sys
from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

from camanet_jax.run.command_line import with_recipe

CONFIG = config_flags.DEFINE_config_file('config', None, 'A configuration file, e.g. configs/ablation.py.')
SYSTEMS = flags.DEFINE_list('systems', ['base', 'vdmae', 'camanet', 'clip_0.1', 'clip_0.25'], 'What to compare.')
SEEDS = flags.DEFINE_integer(
    'seeds', 3, "Runs of each system, with the configuration's seed and those that follow.", lower_bound=1
)
OUTPUT = flags.DEFINE_string('output', 'runs/ablation', 'Folder of the runs, tables and figures.')
TABLES_ONLY = flags.DEFINE_bool('tables_only', False, 'Compute the tables from the predictions files; train nothing.')
COMPARE = flags.DEFINE_list('compare', [], 'Workdirs whose runs are drawn side by side.')
STUDIES = flags.DEFINE_integer('studies', 8, 'compare: how many studies are drawn.', lower_bound=1)
QUIET = flags.DEFINE_bool('quiet', False, 'No progress; warnings, errors and results only.')


def main(argv: list[str]) -> int:
    """Runs the command of the flags; 1 where a run failed."""
    if len(argv) > 1:
        raise app.UsageError(f'Unexpected arguments {argv[1:]}; flags are written --name=value.')
    from camanet_jax.lab.ablation.comparison import draw_comparisons
    from camanet_jax.lab.ablation.grid import FAILURES, complete_grid
    from camanet_jax.lab.ablation.page import write_page
    from camanet_jax.run import runtime

    output, failed = Path(OUTPUT.value), []
    with runtime.errors_for_people():
        runtime.set_up_logging()
        if COMPARE.value:
            written = draw_comparisons([Path(workdir) for workdir in COMPARE.value], output / 'compare', STUDIES.value)
        else:
            if not TABLES_ONLY.value:
                if CONFIG.value is None:
                    raise app.UsageError('Give --config=FILE, e.g. configs/ablation.py, or --tables_only.')
                file = Path(config_flags.get_config_filename(flags.FLAGS['config']))
                failed = complete_grid(CONFIG.value, file, output, SYSTEMS.value, SEEDS.value)
            written = write_page(output)
    print('Written:', *written, sep='\n  ', flush=True)
    for name in failed:
        print(f'Failed: {name}; the traceback is in {output / FAILURES / name}.txt', file=sys.stderr, flush=True)
    return int(bool(failed))


if __name__ == '__main__':
    app.run(main, with_recipe(sys.argv))
