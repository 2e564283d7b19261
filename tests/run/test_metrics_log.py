"""metrics.jsonl: complete lines only, each step once, and the same values for TensorBoard."""

import json
import struct

import pytest
from tensorboardX.proto.event_pb2 import Event

from camanet_jax.run.metrics_log import MetricsLog, WallTime, wall_time_in_words


def lines(workdir) -> list[dict]:
    """What the file says."""
    return [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]


def scalars(workdir) -> dict[tuple[str, int], float]:
    """What TensorBoard's files say: length, checksum, event, checksum, and so on."""
    found = {}
    for path in sorted((workdir / 'tensorboard').iterdir()):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack('<Q', data[:8])
            event, data = Event.FromString(data[12 : 12 + length]), data[16 + length :]
            found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
    return found


def write_steps(workdir, steps, resume_after=0, loss=1.5) -> None:
    """Logs a loss for each step."""
    log = MetricsLog(workdir, resume_after)
    for step in steps:
        log.write(step, 1, 'train', {'loss': loss})
    log.close()


def test_a_line_is_readable_as_soon_as_it_is_written(tmp_path):
    log = MetricsLog(tmp_path, 0)
    log.write(1, 1, 'train', {'loss': 0.1 + 0.2, 'time/seconds': 2.0})
    assert lines(tmp_path) == [{'step': 1, 'epoch': 1, 'split': 'train', 'loss': 0.1 + 0.2, 'time/seconds': 2.0}]
    log.close()


def test_tensorboard_shows_the_same_and_leaves_out_what_is_not_finite(tmp_path):
    log = MetricsLog(tmp_path, 0)
    log.write(3, 1, 'train', {'loss': 0.5, 'gradient_norm': float('inf')})
    log.write(3, 1, 'val', {'CIDEr': 0.25})
    log.close()
    assert scalars(tmp_path) == {('train/loss', 3): 0.5, ('val/CIDEr', 3): 0.25}


def test_a_resumed_log_drops_what_will_be_done_again(tmp_path):
    write_steps(tmp_path, [1, 2, 3, 4])
    write_steps(tmp_path, [3, 4, 5], resume_after=2, loss=2.5)
    assert [(line['step'], line['loss']) for line in lines(tmp_path)] == [
        (1, 1.5),
        (2, 1.5),
        (3, 2.5),
        (4, 2.5),
        (5, 2.5),
    ]


def test_a_line_that_a_kill_cut_short_is_dropped(tmp_path):
    write_steps(tmp_path, [1, 2])
    with (tmp_path / 'metrics.jsonl').open('a') as file:
        file.write('{"step": 3, "epo')
    write_steps(tmp_path, [3], resume_after=3)
    assert [line['step'] for line in lines(tmp_path)] == [1, 2, 3]


def test_a_log_beside_the_first_process_writes_nothing(tmp_path):
    log = MetricsLog(tmp_path, 0, active=False)
    log.write(1, 1, 'train', {'loss': 1.0})
    log.close()
    assert not list(tmp_path.iterdir())


def test_a_validation_that_is_done_again_stands_there_once(tmp_path):
    write_steps(tmp_path, [1, 2])
    log = MetricsLog(tmp_path, 2)
    log.write(2, 1, 'val', {'CIDEr': 0.1})
    log.close()
    MetricsLog(tmp_path, 2).close()
    assert [line['split'] for line in lines(tmp_path)] == ['train', 'train', 'val']
    MetricsLog(tmp_path, 2, validated=False).close()
    assert [line['split'] for line in lines(tmp_path)] == ['train', 'train']


def test_wall_time_is_counted_by_activity(monkeypatch):
    now = [0.0]
    monkeypatch.setattr('time.monotonic', lambda: now[0])
    clock = WallTime()

    def spend(seconds):
        now[0] += seconds

    spend(10)
    with clock.during('input'):
        spend(2)
    clock.turn_to('steps')
    spend(6)
    with clock.during('validation'):
        spend(1)
        first = clock.take()
        spend(3)
    spend(4)
    second = clock.take()
    assert first == {
        'time/startup': 10, 'time/steps': 6, 'time/input': 2, 'time/validation': 1, 'time/saving': 0,
        'time/goodput': 6 / 19,
    }  # fmt: skip
    assert (second['time/steps'], second['time/validation'], second['time/goodput']) == (4, 3, 4 / 7)
    words = 'wall time 26 s: startup 38%, steps 38%, input 8%, validation 15%, saving 0%'
    assert wall_time_in_words([{'loss': 1.0}, first, second]) == words
    assert wall_time_in_words([{'loss': 1.0}]) == ''


def test_a_full_disk_under_tensorboard_is_an_error_of_the_run_not_of_a_thread_that_it_waits_for(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, 'No space left on device')

    log = MetricsLog(tmp_path, 0)
    monkeypatch.setattr(log._board, 'write_event', full)
    with pytest.raises(OSError, match='No space left'):
        log.write(1, 1, 'train', {'loss': 0.5})
