import dataclasses
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from camanet_jax.data import pipeline
from camanet_jax.data.examples import LoadOptions
from camanet_jax.data.image_files import DamagedImageError, open_grey
from camanet_jax.data.sources import open_sources
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.data.transforms import eval_image
from camanet_jax.run import workers

OPTIONS = LoadOptions(24, 32, 9, 'paper', 'paper', num_workers=0)


def open_folder(folder, split='train', **options):
    return open_sources([split], name='study_folder', data_dir=folder, views=2, **options)[0]


def make_batches(make, source, changes, **arguments):
    """With each change where it belongs: an option of loading, or an argument."""
    tokenizer = Tokenizer.build(source.reports, cleaner='iu_xray', threshold=1)
    options = {name: changes[name] for name in changes.keys() & {field.name for field in dataclasses.fields(OPTIONS)}}
    arguments |= {name: changes[name] for name in changes.keys() - options.keys()}
    return make(source, tokenizer, dataclasses.replace(OPTIONS, **options), **arguments)


def train_batches(source, **changes):
    return make_batches(pipeline.train_batches, source, changes, batch_size=4, seed=3)


def eval_batches(source, **changes):
    return make_batches(pipeline.eval_batches, source, changes, batch_size=4)


def take(iterator, count):
    return [next(iterator) for _ in range(count)]


def assert_same(left, right):
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def damage(folder, study_id):
    path = folder / f'images/{study_id}_1.png'
    path.write_bytes(path.read_bytes()[:200])


def test_a_batch_is_what_the_model_expects(make_study_folder):
    source = open_folder(make_study_folder())
    batch = next(train_batches(source))
    shapes = {name: (value.shape, value.dtype.name) for name, value in batch.items()}
    assert shapes == {
        'images': ((4, 2, 24, 24), 'uint8'),
        'tokens': ((4, 9), 'int32'),
        'token_mask': ((4, 9), 'float32'),
        'labels': ((4, 14), 'float32'),
        'valid': ((4,), 'bool'),
        'index': ((4,), 'int32'),
    }
    assert batch['valid'].all()
    np.testing.assert_array_equal(batch['labels'], source.labels[batch['index']])


def test_extra_inputs_and_the_mask_of_missing_films_join_the_batch(make_study_folder, tmp_path):
    folder = make_study_folder()
    annotation = json.loads((folder / 'annotation.json').read_text())
    annotation['train'][1]['image_path'].pop()
    (folder / 'annotation.json').write_text(json.dumps(annotation))
    code = 'def letters(record, tokenizer):\n    return [len(record.get("report", "")), len(tokenizer)]\n'
    (tmp_path / 'mine.py').write_text(code)
    source = open_folder(folder, fewer_views='mask')
    changes = {'fewer_views': 'mask', 'extras': (f'{tmp_path}/mine.py:letters',), 'batch_size': 16}
    (batch,) = eval_batches(source, **changes)
    there = batch['valid']
    letters, words = batch['extras']['letters'].T
    assert letters[there].tolist() == [len(report) for report in source.reports] and not letters[~there].any()
    assert (words > 1).all() and batch['extras']['view_mask'].tolist() == [[True, i != 1] for i in range(16)]
    np.testing.assert_array_equal(batch['images'][1, 1], batch['images'][1, 0])
    in_workers = next(train_batches(source, **changes | {'num_workers': 1, 'batch_size': 4}))
    alone = next(train_batches(source, **changes | {'batch_size': 4}))
    np.testing.assert_array_equal(in_workers['extras']['letters'], alone['extras']['letters'])


def test_tokens_are_padded_masked_and_cut(make_study_folder):
    source = open_folder(make_study_folder())
    tokenizer = Tokenizer.build(source.reports, cleaner='iu_xray', threshold=1)
    ids = tokenizer.encode(source.reports[0])
    assert len(ids) == 9
    for length in (7, 9, 12):
        batch = next(iter(eval_batches(source, max_seq_length=length)))
        np.testing.assert_array_equal(batch['tokens'][0], (ids + [0] * 3)[:length])
        np.testing.assert_array_equal(batch['token_mask'][0], ([1] * 9 + [0] * 3)[:length])


def test_every_epoch_has_a_fresh_order_and_no_study_twice(make_study_folder):
    iterator = train_batches(open_folder(make_study_folder()))
    epochs = [np.concatenate([b['index'] for b in take(iterator, 2)]) for _ in range(4)]
    assert all(len(set(epoch)) == 8 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert len(set(np.concatenate(epochs))) == 10  # what is dropped varies too


def test_seed_decides_order_and_augmentation(make_study_folder):
    source = open_folder(make_study_folder())
    assert_same(take(train_batches(source), 3), take(train_batches(source), 3))
    other = next(train_batches(source, seed=4))
    assert not np.array_equal(other['index'], next(train_batches(source))['index'])


@pytest.mark.parametrize('num_workers', [1, 2])
def test_workers_change_nothing(make_study_folder, num_workers):
    source = open_folder(make_study_folder())
    iterator = train_batches(source, num_workers=num_workers)
    batches = take(iterator, 7)
    iterator.close()
    assert_same(batches, take(train_batches(source, prefetch=0), 7))


@pytest.mark.parametrize('process_count', [2, 4])
def test_processes_share_the_same_global_batches(make_study_folder, process_count):
    source = open_folder(make_study_folder())
    for make in (train_batches, eval_batches):
        options = [{'process_index': index, 'process_count': process_count} for index in range(process_count)]
        shares = [take(iter(make(source, **option)), 3) for option in options]
        joined = [
            {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            for parts in zip(*shares, strict=True)
        ]
        assert_same(joined, take(iter(make(source)), 3))


def test_resumes_in_the_middle_of_an_epoch_bit_for_bit(make_study_folder):
    source = open_folder(make_study_folder())
    unbroken = take(train_batches(source), 8)
    stopped = train_batches(source)
    take(stopped, 3)
    state = json.loads(json.dumps(stopped.get_state()))
    resumed = train_batches(source, num_workers=1)
    next(resumed)
    resumed.set_state(state)
    assert_same(take(resumed, 5), unbroken[3:])
    resumed.close()


def test_evaluation_goes_in_order_and_fills_the_last_batch(make_study_folder):
    folder = make_study_folder()
    source = open_folder(folder, 'test')
    batches = eval_batches(source)
    assert len(batches) == 2
    for _ in range(2):  # again from the start
        first, last = batches
        assert first['index'].tolist() == [0, 1, 2, 3] and first['valid'].all()
        assert last['index'].tolist() == [4, -1, -1, -1]
        assert last['valid'].tolist() == [True, False, False, False]
        assert not last['images'][1:].any() and not last['token_mask'][1:].any()
    film = open_grey((folder / 'images/test4_1.png').read_bytes(), 'test4_1.png')
    np.testing.assert_array_equal(last['images'][0, 1], eval_image(film, 'paper', 24, 32))


def test_evaluation_starts_no_process(make_study_folder):
    before = multiprocessing.active_children()
    batches = eval_batches(open_folder(make_study_folder(), 'test'), num_workers=2)
    assert next(iter(batches))['index'].tolist() == [0, 1, 2, 3]
    assert set(multiprocessing.active_children()) <= set(before)


@pytest.mark.parametrize('num_workers', [0, 1])
def test_damaged_image_stops_and_is_named(make_study_folder, num_workers):
    folder = make_study_folder()
    damage(folder, 'train6')
    iterator = train_batches(open_folder(folder), num_workers=num_workers)
    with pytest.raises(DamagedImageError, match='study train6: image train6_1.png cannot be'):
        take(iterator, 6)
    iterator.close()


def test_damaged_image_is_skipped_counted_and_resumed(make_study_folder):
    folder = make_study_folder()
    for study_id in ('train6', 'train7'):
        damage(folder, study_id)
    source = open_folder(folder)
    iterator = train_batches(source, on_damaged_image='skip')
    batches = take(iterator, 8)
    assert iterator.skipped == {'train6', 'train7'}
    used = np.concatenate([batch['index'] for batch in batches])
    assert len(used) == 32 and not {6, 7} & set(used.tolist())
    resumed = train_batches(source, on_damaged_image='skip')
    resumed.set_state({'next_batch': 3})
    assert_same(take(resumed, 5), batches[3:])


def test_damaged_image_is_not_valid_in_evaluation(make_study_folder):
    folder = make_study_folder()
    damage(folder, 'test2')
    iterator = iter(eval_batches(open_folder(folder, 'test'), on_damaged_image='skip'))
    assert next(iterator)['valid'].tolist() == [True, True, False, True]
    assert iterator.skipped == {'test2'}


def test_unlabelled_studies_have_no_number_for_a_label(make_study_folder):
    folder = make_study_folder()
    (folder / 'labels.json').unlink()
    batch = next(train_batches(open_folder(folder, labels_required=False)))
    assert np.isnan(batch['labels']).all()


def test_bad_arguments_say_what_is_expected(make_study_folder):
    source = open_folder(make_study_folder())
    for change, message in (
        ({'batch_size': 11}, 'batch_size 11 exceeds the 10 training studies'),
        ({'process_count': 3}, 'multiple of the 3 processes, got 4'),
        ({'process_count': 2, 'process_index': 2}, '0 <= process_index < 2, got 2'),
        ({'on_damaged_image': 'ignore'}, "'raise', 'skip'.*, got 'ignore'"),
    ):
        with pytest.raises(ValueError, match=message):
            train_batches(source, **change)


def test_batches_of_one_study(make_study_folder):
    iterator = train_batches(open_folder(make_study_folder()), batch_size=1)
    assert sorted(int(batch['index'][0]) for batch in take(iterator, 10)) == list(range(10))


def test_real_films_resume_with_workers(shared_dir, tmp_path):
    source = open_sources(
        ['train'],
        name='study_folder',
        data_dir=shared_dir / 'data/nih_sample',
        views=1,
        cache_dir=tmp_path,
    )[0]
    iterator = train_batches(source, batch_size=32, train_augment='official_mimic', num_workers=2)
    batches = take(iterator, 20)  # beyond the first epoch of 15
    iterator.close()
    again = train_batches(source, batch_size=32, train_augment='official_mimic')
    again.set_state({'next_batch': 14})
    assert_same(take(again, 6), batches[14:])


def test_a_batch_that_does_not_come_is_said(make_study_folder, monkeypatch, caplog):
    def slow():
        while not caplog.text:
            time.sleep(0.01)
        yield {'damaged': np.array([], int)}

    batches = train_batches(open_folder(make_study_folder()))
    next(batches)
    monkeypatch.setattr(workers, 'SECONDS_UNTIL_SAID', 0.01)
    monkeypatch.setattr(batches, '_running', slow())
    assert next(batches) == {}
    assert 'No batch for 0 s: the file system may be stalled' in caplog.text


@pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='reads the mask of signals from /proc')
def test_a_loading_process_is_out_of_reach_of_signals_from_its_start(make_study_folder):
    others, batches = (
        set(multiprocessing.active_children()),
        train_batches(open_folder(make_study_folder()), num_workers=1),
    )
    next(batches)
    (worker,) = set(multiprocessing.active_children()) - others
    status = Path(f'/proc/{worker.pid}/status').read_text(encoding='utf-8')
    blocked = int(re.search(r'SigBlk:\s*(\w+)', status)[1], 16)
    assert all(blocked >> (number - 1) & 1 for number in (signal.SIGINT, signal.SIGTERM))
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
    batches.close()


def test_a_killed_or_stopped_loading_process_ends_the_waiting(make_study_folder):
    """In a process of its own, whose threads would wait for ever."""
    folder = make_study_folder(counts=(12, 1, 1))
    script = f"""
import multiprocessing, os, signal
from camanet_jax.run.runtime import errors_for_people
from camanet_jax.data import pipeline
from test_pipeline import open_folder, train_batches
pipeline._SECONDS_OF_GRACE = 0.5
stopped = train_batches(open_folder({str(folder)!r}), num_workers=1)
next(stopped)
(worker,) = multiprocessing.active_children()
os.kill(worker.pid, signal.SIGSTOP)
stopped.close()
worker.join(5)
assert worker.exitcode == -9
batches = train_batches(open_folder({str(folder)!r}), num_workers=2, image_size=512, resize_size=520)
with errors_for_people():
    next(batches)
    worker, _ = multiprocessing.active_children()
    os.kill(worker.pid, signal.SIGTERM)  # is left to the parent
    for _ in range(30):
        next(batches)
    os.kill(worker.pid, signal.SIGKILL)
    while True:
        next(batches)
"""
    done = subprocess.run(
        [sys.executable, '-c', script],
        env=os.environ | {'PYTHONPATH': os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert 'Error: ' in done.stderr and 'exit code -9' in done.stderr
    assert 'Traceback' not in done.stderr
