"""What the compiler is given for GPU and TPU, read without either: precision of products, and bfloat16 feature maps.

A feature map is an array whose two axes before the last are equal and at least 4: height and width. In StableHLO a
float32 map may pass through elementwise operations and sums, which XLA fuses; anything else would write it to memory.
"""

import re
from collections import Counter
from pathlib import Path

import jax
import pytest
from traced_programs import programs

from camanet_jax.lab.benchmarks import train
from camanet_jax.lab.benchmarks.workload import Workload, read_workload

CONFIGS = Path(__file__).parents[1] / 'configs'
PLATFORMS = 'cuda', 'tpu'
PROGRAMS = 'train_step', 'encode', 'search'
FUSED = {
    'add',
    'broadcast_in_dim',
    'compare',
    'convert',
    'divide',
    'multiply',
    'negate',
    'reduce',
    'reshape',
    'select',
    'subtract',
}
TENSOR = re.compile(r'tensor<((?:\d+x)*)(\w+)>')


@pytest.fixture(scope='module')
def workload() -> Workload:
    """The tiny model in bfloat16."""
    return read_workload(CONFIGS / 'demo.py', small=True, dtype='bfloat16')


@pytest.fixture(scope='module')
def traced(workload) -> dict[str, jax.stages.Traced]:
    """Its programs; tracing is the same for every platform."""
    return {name: trace() for name, trace in programs(workload).items()}


def is_map(shape: tuple[int, ...]) -> bool:
    """Whether an array of this shape has a height and a width."""
    return len(shape) >= 4 and shape[-3] == shape[-2] >= 4


def operations(traced: jax.stages.Traced, platform: str) -> list[tuple[str, list[tuple[tuple[int, ...], str]]]]:
    """Name, and shapes and element types of operands and results, of every operation of the lowered program.

    An operation that holds a computation, as a window's maximum does, shows its types behind it: its name is 'region'.
    """
    found = []
    for line in traced.lower(lowering_platforms=(platform,)).as_text().splitlines():
        if name := re.search(r'stablehlo\.(\w+)|^ *}\) : ', line):
            found.append(
                (
                    name[1] or 'region',
                    [(tuple(map(int, re.findall(r'\d+', sizes))), kind) for sizes, kind in TENSOR.findall(line)],
                )
            )
    return found


def wide_maps(found) -> set[str]:
    """Names of operations that read or write a float32 map and are not fused."""
    return {
        name
        for name, arrays in found
        if name not in FUSED and any(kind == 'f32' and is_map(shape) for shape, kind in arrays)
    }


@pytest.mark.parametrize('platform', PLATFORMS)
@pytest.mark.parametrize('program', PROGRAMS)
def test_every_program_lowers_for_an_accelerator(traced, program, platform):
    assert 'stablehlo.dot_general' in traced[program].lower(lowering_platforms=(platform,)).as_text()


def products(traced: jax.stages.Traced, platform: str) -> Counter:
    """Precision of both operands and shape of the result of every matrix product and convolution."""
    lines = traced.lower(lowering_platforms=(platform,)).as_text().splitlines()
    return Counter(
        (*re.findall(r'HIGHEST|HIGH|DEFAULT', line), TENSOR.findall(line)[-1][0].rstrip('x'))
        for line in lines
        if re.search(r'stablehlo\.(dot_general|convolution)\b', line)
    )


@pytest.mark.parametrize('platform', PLATFORMS)
def test_classes_maps_and_words_are_chosen_in_float32_whatever_the_setting(traced, platform):
    found = {program: products(traced[program], platform) for program in PROGRAMS}
    exact = {
        program: Counter({shape: count for (one, other, shape), count in rows.items() if one == other == 'HIGHEST'})
        for program, rows in found.items()
    }
    classifier, maps, representation, cosine = '8x14', '14x8x32', '8x10', '8x15'  # 8 studies, 32 places, 15 words
    assert exact['search'] == Counter()
    assert exact['encode'] == Counter([classifier, maps, representation])
    gradients = ['14x10', '8x10', '8x10x32', '8x15x16', '8x16']  # of the classifier, r' and the cosine; maps have none
    assert exact['train_step'] == Counter([classifier, maps, representation, cosine, *gradients])
    assert all(set(row[:-1]) <= {'HIGHEST', 'DEFAULT'} for rows in found.values() for row in rows)


def test_a_stated_precision_is_that_of_every_product_and_gradient():
    small = read_workload(CONFIGS / 'demo.py', small=True, matmul_precision='highest')
    program = programs(small)['train_step']()
    for platform in PLATFORMS:
        found = products(program, platform)
        assert found.total() > 100 and {row[:-1] for row in found} == {('HIGHEST', 'HIGHEST')}


@pytest.mark.parametrize('platform', PLATFORMS)
def test_feature_maps_stay_bfloat16_and_in_place(traced, platform):
    found = operations(traced['train_step'], platform)
    convolutions = [arrays for name, arrays in found if name == 'convolution']
    assert len(convolutions) == 8  # forward: the stem and a 3x3 in each of two layers; backward: all but the films'
    assert {kind for arrays in convolutions for _, kind in arrays} == {'bf16'}
    products = [arrays for name, arrays in found if name == 'dot_general' and any(is_map(shape) for shape, _ in arrays)]
    assert len(products) == 3 * 3  # the 1x1 convolutions of two layers and a transition, each with two gradients
    assert {kind for arrays in products for _, kind in arrays} == {'bf16'}
    assert wide_maps(found) == set()
    assert ('select_and_scatter' in {name for name, _ in found}) == (platform == 'tpu')  # pooling in XLA's own form
    assert not [arrays for name, arrays in found if name == 'transpose' and any(is_map(shape) for shape, _ in arrays)]


def test_the_check_sees_float32_maps():
    small = read_workload(CONFIGS / 'demo.py', small=True)
    found = operations(programs(small)['encode'](), 'cuda')
    assert {'convolution', 'dot_general', 'concatenate'} <= wide_maps(found)


def saved(workload: Workload) -> list[jax.ShapeDtypeStruct]:
    """What the forward pass keeps for the backward pass."""
    variables = workload.variables()
    return train.kept_by_pass(workload, train.part_arguments(workload, (variables['params'], variables['batch_stats'])))


def test_no_float32_map_is_saved_and_logits_are_saved_once(workload):
    kept = saved(workload)
    maps = [leaf for leaf in kept if is_map(leaf.shape)]
    assert {leaf.dtype.name for leaf in maps} == {'bfloat16'}
    logits = [leaf for leaf in kept if leaf.shape == (8, 15, workload.vocabulary_size)]
    assert [leaf.dtype.name for leaf in logits] == ['float32']


def test_remat_keeps_less_and_repeats_no_product(workload):
    def deeper(remat):
        config = workload.config.copy_and_resolve_references()
        with config.unlocked():
            config.model.backbone_options = dict(blocks=(2, 3), growth=4, stem=8, remat=remat)
        return Workload(config, workload.vocabulary_size)

    def kept_values(workload):
        return sum(leaf.size for leaf in saved(workload) if is_map(leaf.shape))

    def products(workload):
        program = programs(workload)['train_step']()
        return Counter(name for name, _ in operations(program, 'cuda') if name in ('convolution', 'dot_general'))

    assert kept_values(deeper(True)) < 0.7 * kept_values(deeper(False))
    assert products(deeper(True)) == products(deeper(False))


@pytest.mark.slow
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
@pytest.mark.parametrize('name', ['iu_xray', 'mimic'])
def test_the_published_sizes_lower(name, dtype):
    full = read_workload(CONFIGS / f'{name}.py', dtype=dtype)
    for trace in programs(full).values():
        program = trace()
        for platform in PLATFORMS:
            assert program.lower(lowering_platforms=(platform,)).as_text()
