"""Which cards a process takes under SLURM, and which errors end with their message alone."""

import ctypes
import errno
import gc
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from camanet_jax.run import files, runtime
from camanet_jax.run.workers import Stopped

FOUR = '0,1,2,3'


@pytest.mark.parametrize(
    'visible, tasks, cards',
    [
        (FOUR, '1', [0, 1, 2, 3]),
        (FOUR, '1(x8)', [0, 1, 2, 3]),  # one process a host
        (FOUR, '4(x2)', None),
        (FOUR, '1,2', None),  # JAX chooses by the process's number on its host
        ('3', '4', [0]),  # --gpus-per-task: the one card it sees is its first
        (None, '4', None),
        ('', '4', None),
        (FOUR, None, None),
    ],
)  # no cards, or no SLURM
def test_cards_of_a_process(visible, tasks, cards, monkeypatch):
    for name, value in {'CUDA_VISIBLE_DEVICES': visible, 'SLURM_STEP_TASKS_PER_NODE': tasks}.items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    assert runtime.own_cards() == cards


def test_cards_that_the_user_names_are_left_alone(monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', FOUR)
    monkeypatch.setenv('SLURM_STEP_TASKS_PER_NODE', '1')
    monkeypatch.setenv('JAX_LOCAL_DEVICE_IDS', '2')
    assert runtime.own_cards() is None


def test_refused_input_ends_with_its_message_alone(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match='^Error: .*missing.json: cannot be read'), runtime.errors_for_people():
        files.read_json(tmp_path / 'missing.json')
    monkeypatch.setenv('CAMANET_TRACE', '1')
    with pytest.raises(ValueError, match='missing.json'), runtime.errors_for_people():
        files.read_json(tmp_path / 'missing.json')


@pytest.mark.parametrize(('bug', 'kind'), [(lambda: json.loads('{'), ValueError), (lambda: {}['x'], KeyError)])
def test_other_errors_keep_their_trace(bug, kind):
    with pytest.raises(kind), runtime.errors_for_people():
        bug()


@pytest.mark.parametrize(
    ('error', 'words'),
    [
        (OSError(errno.ENOSPC, 'No space left on device', 'a.json'), 'a.json: No space left on device; make room'),
        (PermissionError(errno.EACCES, 'Permission denied', 'runs/x'), 'runs/x: Permission denied; give yourself'),
        (OSError(errno.EROFS, 'Read-only file system', 'a', None, 'b'), 'a -> b: Read-only file system; choose'),
        (OSError(errno.ENOSPC, 'No space left on device'), '/dev/shm: No space left on device; make room'),
        (OSError(errno.EMFILE, 'Too many open files'), 'a file: Too many open files; .*ulimit -n'),
    ],
)
def test_what_the_system_refuses_is_one_sentence(error, words):
    with pytest.raises(SystemExit, match=f'^Error: {words}.*the same command resumes'), runtime.errors_for_people():
        raise error


@pytest.mark.parametrize(('error', 'code'), [(KeyboardInterrupt(), 130), (Stopped(), 0), (Stopped(143), 143)])
def test_a_signal_ends_without_a_trace(error, code, monkeypatch):
    monkeypatch.setattr(os, '_exit', sys.exit)
    with pytest.raises(SystemExit) as caught, runtime.errors_for_people():
        raise error
    assert caught.value.code == code


def test_ctrl_c_in_a_callback_is_not_lost(monkeypatch):
    def interrupt(*_):
        gc.callbacks.remove(interrupt)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(sys, 'unraisablehook', runtime.report_unraisable)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # another test may have changed it
    gc.callbacks.append(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            gc.collect()  # Python goes on from here
            time.sleep(30)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), 'mallopt'), reason='the C library is not glibc')
def test_memory_that_was_freed_is_not_fetched_page_by_page_again():
    program = """
import resource, threading
import numpy as np
from camanet_jax.run import runtime
runtime.keep_memory()
def use():
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        np.ones(8_000_000)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
thread = threading.Thread(target=use)
thread.start()
thread.join()
"""
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True)
    first, second = map(int, done.stdout.split())
    assert second < 20 <= first


def test_devices_that_are_not_there_are_told_with_what_to_install(monkeypatch):
    def fail():
        raise AssertionError

    monkeypatch.setenv('JAX_PLATFORMS', 'cuda')
    monkeypatch.setattr('jax.devices', fail)
    with pytest.raises(ValueError, match="JAX_PLATFORMS='cuda': unknown to this JAX.. Install JAX for it .*cuda12"):
        runtime.find_devices()
