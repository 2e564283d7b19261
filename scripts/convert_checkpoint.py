"""Converts the authors' PyTorch checkpoints to workdirs, and workdirs back; PyTorch is not needed.

    python scripts/convert_checkpoint.py --from_torch model_best.pth --config=configs/iu_xray.py \
        --annotation /data/iu_xray/annotation.json --output runs/official
    python scripts/convert_checkpoint.py --to_torch camanet.safetensors --workdir runs/official

The workdir is one of variant='official', unless --config.variant says otherwise.
"""

import sys
from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

from camanet_jax.run.command_line import with_recipe

CONFIG = config_flags.DEFINE_config_file('config', None, 'The configuration that the checkpoint was trained with.')
FROM_TORCH = flags.DEFINE_string('from_torch', None, 'A .pth, .pt or .safetensors file.')
OUTPUT = flags.DEFINE_string('output', None, 'from_torch: the workdir to make.')
ANNOTATION = flags.DEFINE_string(
    'annotation',
    None,
    'from_torch: its train split gives the vocabulary; by default annotation.json in --config.data_dir.',
)
VOCABULARY = flags.DEFINE_string('vocabulary', None, 'from_torch: the words instead: JSON, or .txt with one a line.')
TO_TORCH = flags.DEFINE_string('to_torch', None, 'The .pth, .pt or .safetensors file to write.')
WORKDIR = flags.DEFINE_string('workdir', None, 'to_torch: the workdir to read; by default --output.')


def main(argv: list[str]) -> None:
    """Converts in the direction or directions asked for."""
    workdir = WORKDIR.value or OUTPUT.value
    if len(argv) > 1 or not (FROM_TORCH.value or TO_TORCH.value) or not workdir:
        raise app.UsageError(
            f'Give --from_torch FILE with --config and --output, or --to_torch FILE with --workdir. '
            f'Not understood: {argv[1:]}'
        )
    if FROM_TORCH.value and not (CONFIG.value and OUTPUT.value):
        raise app.UsageError('--from_torch needs --config and --output.')
    if FROM_TORCH.value and TO_TORCH.value and Path(FROM_TORCH.value).resolve() == Path(TO_TORCH.value).resolve():
        raise app.UsageError(f'--to_torch would replace the original; give another file than {FROM_TORCH.value}.')
    from camanet_jax.configuration import fill_variant
    from camanet_jax.run import runtime
    from camanet_jax.run.workdir import get_config
    from camanet_jax.torch_io.convert import convert_from_torch, convert_to_torch

    with runtime.errors_for_people():
        if FROM_TORCH.value:
            if 'variant' not in config_flags.get_override_values(flags.FLAGS['config']):
                CONFIG.value.variant = 'official'
            config = fill_variant(CONFIG.value)
            runtime.prepare(config, Path(OUTPUT.value))
            words = {
                name: Path(flag.value)
                for name, flag in (('annotation', ANNOTATION), ('vocabulary', VOCABULARY))
                if flag.value
            }
            convert_from_torch(Path(FROM_TORCH.value), config, Path(OUTPUT.value), **words)
        if TO_TORCH.value:
            runtime.prepare(get_config(workdir), Path(workdir))
            convert_to_torch(Path(workdir), Path(TO_TORCH.value))


if __name__ == '__main__':
    app.run(main, with_recipe(sys.argv))
