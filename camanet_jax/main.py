"""python -m camanet_jax.main --config=F --workdir=D [--mode=train|evaluate|generate]

Not for clinical use. Evaluating, generating and resuming need no --config: the workdir holds it. Single
fields are changed by name, e.g. --config.epochs=2 --config.model.vtac=False.

Generating reads PNG, JPEG, TIFF and DICOM films, among others; --images is one of
  a.png,b.dcm  files: one by one, or two by two (frontal, lateral) where the model reads two views
  DIR          each film directly in DIR is a study, and so is each folder of films below it, lateral views last
  FILE.csv     columns id and image_path, or image_path_1, ...; paths are relative to the CSV
It appends to --output: reports.jsonl, overlays/, and failed.jsonl for what could not be read. The same command resumes
after a stop. Exit code 0: all studies have reports; 1: some have none, or an error; 130: stopped with Ctrl+C. Nothing
that identifies a patient is read from DICOM files, and UIDs in file names are replaced; names are otherwise as given.
CAMANET_TRACE=1 in the environment shows where an error arose.
"""

import sys
from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

from camanet_jax.run.command_line import with_config

MODES = ('train', 'evaluate', 'generate')
CONFIG = config_flags.DEFINE_config_file('config', None, 'A configuration file, e.g. configs/iu_xray.py.')
WORKDIR = flags.DEFINE_string('workdir', None, "The run's folder; by default runs/<name of the configuration>.")
MODE = flags.DEFINE_enum('mode', 'train', MODES, 'What to do.')
IMAGES = flags.DEFINE_string('images', '', 'generate: files, a folder or a CSV; see above.')
OUTPUT = flags.DEFINE_string('output', None, 'generate: a folder; by default generated/ in the workdir.')
OVERLAYS = flags.DEFINE_bool('overlays', True, 'generate: draw where the model looked; most of the time goes there.')
KEEP_IDENTIFIERS = flags.DEFINE_bool('keep_identifiers', False, "generate: keep DICOM's study and film UIDs.")
MISSING_VIEW = flags.DEFINE_enum(
    'missing_view',
    'repeat',
    ('repeat', 'refuse'),
    'generate: what to do with a study of one film where the model reads two: give it twice, or count it as failed.',
)
QUIET = flags.DEFINE_bool('quiet', False, 'No progress; warnings, errors and results only.')
DISTRIBUTED = flags.DEFINE_bool('distributed', False, 'One of several processes (SLURM, TPU pod): find the others.')


def main(argv: list[str]) -> int | None:
    """Sets the machine up and hands over to the mode; returns the exit code."""
    if len(argv) > 1:
        raise app.UsageError(f'Unexpected arguments {argv[1:]}; flags are written --name=value.')
    # Imported here, because the loading workers import this module too and need none of it.
    from camanet_jax import results, train
    from camanet_jax.configuration import fill_variant
    from camanet_jax.generate import generate
    from camanet_jax.generate.study_list import split_sources
    from camanet_jax.run import runtime

    name = Path(config_flags.get_config_filename(flags.FLAGS['config'])).stem
    workdir = Path(WORKDIR.value or Path('runs') / name)
    with runtime.errors_for_people():
        config = fill_variant(CONFIG.value)
        runtime.prepare(config, workdir, distributed=DISTRIBUTED.value)
        if MODE.value == 'train':
            train.train(config, workdir)
        elif MODE.value == 'evaluate':
            results.evaluate_workdir(config, workdir)
        else:
            return generate.generate(
                config,
                workdir,
                split_sources(IMAGES.value),
                Path(OUTPUT.value or workdir / 'generated'),
                overlays=OVERLAYS.value,
                keep_identifiers=KEEP_IDENTIFIERS.value,
                missing_view=MISSING_VIEW.value,
            )
    return None


def run() -> None:
    """The command's entry point."""
    argv = with_config(sys.argv)
    from camanet_jax.run import runtime

    with runtime.errors_for_people():
        app.run(main, argv)


if __name__ == '__main__':
    run()
