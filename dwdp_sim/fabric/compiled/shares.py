"""The distinct levels at which resources are full, in order, to notice those that are too close to each other."""

from __future__ import annotations

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.jit import compiled
from dwdp_sim.fabric.compiled.views import floats, ints, run_ints

_TIE = 1.0 + 1e-12  # as in `filling`
_shares, _share_n = floats("shares"), ints("share_n")


@compiled
def clear_shares(s: Ints) -> None:
    """Forget all levels."""
    total = run_ints(s)
    total[c.N_SHARES] = total[c.N_NEAR] = 0


@compiled
def _place(s: Ints, level: float) -> int:
    """Where a level is, or would be."""
    shares = _shares(s)
    low, high = 0, run_ints(s)[c.N_SHARES]
    while low < high:
        middle = (low + high) >> 1
        if shares[middle] < level:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _near(s: Ints, place: int) -> int:
    """1 if the levels before and at a place are distinct but count as one in `filling`, else 0."""
    shares = _shares(s)
    if place <= 0 or place >= run_ints(s)[c.N_SHARES]:
        return 0
    return 1 if shares[place] <= shares[place - 1] * _TIE else 0


@compiled
def add_share(s: Ints, level: float) -> None:
    """Count a resource that is full at a level."""
    total, shares, counts = run_ints(s), _shares(s), _share_n(s)
    place, size = _place(s, level), total[c.N_SHARES]
    if place < size and shares[place] == level:
        counts[place] += 1
        return
    near = _near(s, place)
    for at in range(size, place, -1):
        shares[at], counts[at] = shares[at - 1], counts[at - 1]
    shares[place], counts[place] = level, 1
    total[c.N_SHARES] = size + 1
    total[c.N_NEAR] += _near(s, place) + _near(s, place + 1) - near


@compiled
def remove_share(s: Ints, level: float) -> None:
    """Count a resource at this level less."""
    total, shares, counts = run_ints(s), _shares(s), _share_n(s)
    place = _place(s, level)
    counts[place] -= 1
    if counts[place]:
        return
    near = _near(s, place) + _near(s, place + 1)
    size = total[c.N_SHARES] - 1
    for at in range(place, size):
        shares[at], counts[at] = shares[at + 1], counts[at + 1]
    total[c.N_SHARES] = size
    total[c.N_NEAR] += _near(s, place) - near
