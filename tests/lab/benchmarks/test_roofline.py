"""The scaling model: arithmetic on numbers that can be checked by hand, the command, and this project's CPU figures."""

import dataclasses
import json
from pathlib import Path

import pytest

from camanet_jax.lab.benchmarks import roofline, scaling
from camanet_jax.lab.benchmarks.roofline import Hardware, Work
from camanet_jax.lab.benchmarks.study_work import count_work
from camanet_jax.lab.benchmarks.workload import read_workload

CONFIGS = Path(__file__).parents[3] / 'configs'
DEVICE = Hardware(
    'made',
    matrix=1000,
    copy=100,
    matrix_share=0.5,
    copy_share=0.2,
    operation_seconds=0.01,
    link=10,
    collective_seconds=0.5,
    devices_per_host=4,
    cores=2,
    source='made',
)
WORK = Work(
    train_flops=1000,
    train_bytes=40,
    encode_flops=100,
    encode_bytes=20,
    round_flops=10,
    round_bytes=4,
    weight_bytes=60,
    films=2,
    rounds=11,
    decoder_layers=1,
    parameters=5,
    statistics=6,
)


def test_a_step_is_the_sum_of_its_kinds_of_work():
    parts = roofline.train_parts(WORK, DEVICE, studies=3)
    assert parts == pytest.approx(
        {
            'products': 3 * 1000 / 500,
            'maps': 3 * 40 / 20,
            'recurrence': 10 * 36 * 0.01,
            'update': 9 * 4 * 5 / 20,
            'gradients': 0,
            'statistics': 0,
        }
    )


def test_devices_add_one_all_reduce_and_the_statistics():
    parts = roofline.train_parts(WORK, DEVICE, studies=3, devices=4)
    assert parts['gradients'] == pytest.approx(2 * 3 / 4 * 4 * 5 / 10 + 0.5)
    assert parts['statistics'] == pytest.approx(6 * 0.5)


def test_a_search_reads_the_weights_once_a_round():
    parts = roofline.decode_parts(WORK, DEVICE, studies=3)
    assert parts == pytest.approx(
        {
            'products': 3 * (100 + 110) / 500,
            'maps': 3 * 20 / 20,
            'cache': 11 * (3 * 4 + 60) / 20,
            'recurrence': 11 * (12 + 24 + 12) * 0.01,
        }
    )


def test_input_is_shared_among_hosts_and_sets_the_pace_where_it_is_slower():
    loading = roofline.input_seconds(WORK, DEVICE, studies=3, devices=8, films_per_core=5)
    assert loading == pytest.approx(3 * 8 * 2 / (2 * 2 * 5))
    assert roofline.pace({'products': 1.0, 'maps': 1.5}, loading=2.4) == (2.5, 'maps')
    assert roofline.pace({'products': 1.0, 'maps': 1.5}, loading=2.6) == (2.6, 'input')


def test_the_best_step_hides_the_shorter_of_products_and_maps():
    best = roofline.best_step(WORK, DEVICE, studies=3, devices=1, least_bytes=10)
    assert best == pytest.approx(max(3 * 1000 / 1000, 3 * 10 / 100) + 3.6 + 180 / 100)


def test_least_values_of_one_layer():
    # 8 pixels: the stem sees 4, the block 2; 3 channels in, 2 new ones, a bottleneck of 8.
    expected = 11 * 3 * 16 + (13 * 3 + 15 * 8 + 10 * 2) * 4 + 12 * 5 * 4
    assert roofline.least_values((1,), growth=2, stem=3, bottleneck=4, side=8) == expected


def test_the_command_predicts_for_every_device(tmp_path):
    path = tmp_path / 'hardware.json'
    path.write_text(json.dumps([dataclasses.asdict(DEVICE), dataclasses.asdict(scaling.HARDWARE[0])]))
    found = scaling.run(read_workload(CONFIGS / 'demo.py', small=True), path)
    assert [(row['device'], row['devices']) for row in found['training']] == [
        (name, devices) for name in ('made', 'H200') for devices in scaling.DEVICES
    ]
    assert all(row['images_per_second'] < row['best_images_per_second'] for row in found['training'][-3:])
    assert all(row['reports_per_second'] > 0 for row in found['decoding'])
    assert found['one_study']['statistics'] == 14  # as tests/test_collectives.py counts them


def test_a_wrong_hardware_file_is_refused_with_the_fields(tmp_path):
    path = tmp_path / 'hardware.json'
    path.write_text('[{"name": "half"}]')
    with pytest.raises(ValueError, match='fields name, matrix, copy'):
        scaling.read_hardware(path)


@pytest.mark.slow
def test_this_projects_cpu_figures_follow():
    """Full size, float32, two cores, whose peaks were measured with the same script (docs/scaling.md)."""
    cpu = Hardware('CPU', 229e9, 10e9, 1, 1, 2e-6, 1e9, 0, 1, 2, 'scripts/benchmark.py')
    work = count_work(read_workload(CONFIGS / 'iu_xray.py'))
    step = sum(roofline.train_parts(work, cpu, studies=4).values())
    encode = 4 * (work.encode_flops / cpu.matrix + work.encode_bytes / cpu.copy)
    assert 2.4 / 1.5 < step < 2.4 * 1.5
    assert 0.4 / 1.5 < encode < 0.4 * 1.5
