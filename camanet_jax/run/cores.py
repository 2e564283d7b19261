"""How many processor cores this process may use."""

import os


def usable_cores() -> int:
    """Returns the cores that the scheduler grants this process; all of the machine's where it cannot say (macOS)."""
    affinity = getattr(os, 'sched_getaffinity', None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
