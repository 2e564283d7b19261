import os

from camanet_jax.run.workers import usable_cores


def test_the_granted_cores_are_counted_and_all_where_nobody_can_say(monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: {0, 3, 5}, raising=False)
    assert usable_cores() == 3
    monkeypatch.delattr(os, 'sched_getaffinity')
    assert usable_cores() == os.cpu_count()
