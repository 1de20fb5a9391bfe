"""The cost of issuing copies beside that of a fixed piece of Python on the same core.

A core runs at one of two speeds, a factor of two apart, and changes between them many times a second
(docs/hardware.md). What it does to the driver's calls it does to other calls, too: their ratio stays. The piece of
Python is `os.getppid()`, a call into C and into the kernel, whose time followed that of the driver's calls more closely
than a loop of additions on one H200's host, and as closely on another's (docs/design/0019-relative-costs.md).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import numpy as np

from dwdp_hw.cases.result import QUANTILES, RelativeCost

_CALLS = 100
_WARMUPS = 50


def yardstick_s() -> float:
    """Return the seconds of one `os.getppid()` just now, over a hundred of them."""
    call = os.getppid
    began = time.perf_counter()
    for _ in range(_CALLS):
        call()
    return (time.perf_counter() - began) / _CALLS


def relative_cost(issue_s: Callable[[], float], copies: int, lasting_s: float) -> RelativeCost:
    """Alternate between the yardstick and issuing copies, and return quantiles of what each took.

    Args:
        issue_s: Issues the copies, waits for their end, and returns the seconds that the issuing took.
        copies: How many it issues.
        lasting_s: How long to go on; a pair at least.
    """
    for _ in range(_WARMUPS):
        yardstick_s()
        issue_s()
    pairs: list[tuple[float, float]] = []
    end = time.perf_counter() + lasting_s
    while not pairs or time.perf_counter() < end:
        pairs.append((yardstick_s(), issue_s() / copies))
    yardstick, cost = np.quantile(pairs, QUANTILES, axis=0).T.tolist()
    return RelativeCost(len(pairs), yardstick, cost)
