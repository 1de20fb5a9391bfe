"""How many processor cores this process may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Return the cores that this process may run on: fewer than the machine has if a scheduler or taskset pinned it."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows pin no processes
        return os.cpu_count() or 1
