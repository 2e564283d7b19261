"""Progress without a terminal: a line now and then, the last one always; nothing with --quiet."""

import logging
from types import SimpleNamespace

import pytest

from camanet_jax.run import progress
from camanet_jax.run.progress import Progress, tracked


@pytest.fixture
def lines(caplog, monkeypatch):
    """Gives the lines logged so far."""
    monkeypatch.setattr(logging.getLogger('camanet_jax'), 'propagate', True)
    caplog.set_level(logging.INFO, 'camanet_jax')
    return lambda: caplog.messages


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set."""
    time = [100.0]
    monkeypatch.setattr(progress, 'time', SimpleNamespace(monotonic=lambda: time[0]))
    return time


def test_a_line_tells_speed_and_time_left(lines, clock):
    bar = Progress('Training', total=10, done=4)  # resumed
    clock[0] += 31
    bar.advance('loss 2.31')
    assert lines() == ['Training 5/10, 0.03/s, 155 s left, loss 2.31']


def test_lines_are_rare_but_the_last_step_has_one(lines, clock):
    bar = Progress('Training', total=100)
    for _ in range(100):
        clock[0] += 1
        bar.advance()
    assert [line.split(',')[0] for line in lines()] == [
        'Training 31/100',
        'Training 62/100',
        'Training 93/100',
        'Training 100/100',
    ]


def test_quiet_means_no_line(lines, clock, monkeypatch):
    monkeypatch.setattr(progress, 'quiet', lambda: True)
    assert list(tracked('abc', 'Reading', 3)) == ['a', 'b', 'c']
    assert lines() == []
