"""The visual extractor's training step beside torchvision's: the same films, the same process, taking turns.

python scripts/benchmark.py train --config=configs/mimic.py --batch_size=8 --compare=torchvision

Both normalise the films, compute maps in training mode, and the gradients of their mean by all weights; there is no
optimiser. PyTorch runs as its users run it: channels_last, autocast for bfloat16, and on a GPU compiled, with TF32.
"""

import importlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from camanet_jax.lab.benchmarks.timing import measure
from camanet_jax.lab.benchmarks.workload import Workload
from camanet_jax.models.camanet import IMAGENET_MEAN, IMAGENET_STD, normalise_images

NETWORKS = {'DenseNet': 'densenet121', 'ResNet': 'resnet101'}


def run(workload: Workload, repeats: int) -> dict[str, Any]:
    """Times both programs.

    Raises:
      ValueError: torchvision is not installed, or has no such network, or one of another size.
    """
    studies, dtype = workload.config.batch_size, workload.config.dtype
    batch = workload.batch(studies)
    theirs, facts = torchvision_step(np.array(batch['images']), network_of(workload), dtype)
    ours, parameters = extractor_step(workload, batch['images'])
    if parameters != facts['parameters']:
        raise ValueError(
            f"Expected the visual extractor at torchvision's size, {facts['parameters']:,} parameters; the "
            f'configuration has {parameters:,}. Give one of full size, without --small.'
        )
    timings = measure({'here': ours, 'torchvision': theirs}, repeats)
    films = studies * workload.views
    rows = [
        {'program': name, **timing.as_dict(), 'films_per_second': films / timing.median}
        for name, timing in timings.items()
    ]
    ratio = timings['torchvision'].median / timings['here'].median
    return {
        'workload': workload.describe(studies),
        'comparison': rows,
        'torchvision': facts | {'speed_here_times_theirs': ratio},
        'notes': ['Forward and backward pass of the visual extractor alone, in training mode, in turns.'],
    }


def network_of(workload: Workload) -> str:
    """Torchvision's name of the configured visual extractor."""
    called = workload.experiment.model().visual_extractor.__name__
    if called not in NETWORKS:
        raise ValueError(f'Expected a visual extractor that torchvision has, {sorted(NETWORKS)}; got {called}.')
    return NETWORKS[called]


def extractor_step(workload: Workload, images: jax.Array) -> tuple[Callable[[], Any], int]:
    """A compiled program that gives the gradients of all the visual extractor's weights, and the number of those."""
    model, variables = workload.experiment.model(), workload.variables()
    extractor = model.visual_extractor(**model.backbone_options, dtype=model.dtype, param_dtype=model.param_dtype)
    params, statistics = (variables[name]['backbone'] for name in ('params', 'batch_stats'))

    def loss(params, statistics, images):
        normalised = normalise_images(images, model.dtype)
        given = {'params': params, 'batch_stats': statistics}
        maps, _ = extractor.apply(given, normalised, train=True, mutable=['batch_stats'])
        return maps.astype(jnp.float32).mean()

    program = jax.jit(jax.grad(loss)).lower(params, statistics, images).compile()
    return lambda: program(params, statistics, images), sum(leaf.size for leaf in jax.tree.leaves(params))


def torchvision_step(films: np.ndarray, network: str, dtype: str) -> tuple[Callable[[], None], dict[str, Any]]:
    """The same program of torchvision's network on films [B, I, height, width], and facts about it."""
    try:
        torch, models = importlib.import_module('torch'), importlib.import_module('torchvision.models')
    except ImportError as error:
        raise ValueError(f"Expected PyTorch and torchvision (pip install -e '.[torch]'), got: {error}") from error
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    whole = getattr(models, network)(weights=None)
    features = whole.features if network == 'densenet121' else torch.nn.Sequential(*list(whole.children())[:-2])
    features = features.to(device, memory_format=torch.channels_last).train()
    grey = torch.from_numpy(films.reshape(-1, 1, *films.shape[2:])).to(device)
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))

    def loss():
        images = ((grey.float() / 255).expand(-1, 3, -1, -1) - mean) / std
        with torch.autocast(device, torch.bfloat16, enabled=dtype == 'bfloat16'):
            return torch.relu(features(images.contiguous(memory_format=torch.channels_last))).float().mean()

    compiled = torch.compile(loss) if device == 'cuda' else loss

    def step():
        features.zero_grad(set_to_none=True)
        compiled().backward()
        if device == 'cuda':
            torch.cuda.synchronize()

    return step, {
        'network': network,
        'parameters': sum(weights.numel() for weights in features.parameters()),
        'torch': torch.__version__,
        'device': device,
        'threads': torch.get_num_threads(),
    }
