"""The number of processor cores that this process may use."""

import os


def usable_cores() -> int:
    """Counts the cores that the scheduler grants this process; all of the machine's where it cannot tell (macOS)."""
    affinity = getattr(os, 'sched_getaffinity', None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
