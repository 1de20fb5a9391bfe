"""The distinct levels at which resources are full: a hash table that notices those that are too close to each other."""

from __future__ import annotations

import numpy as np

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.jit import compiled, inlined
from dwdp_sim.fabric.compiled.views import floats, ints, length, run_ints

_TIE = 1.0 + 1e-12  # as in `filling`
_NONE = -1  # no other level in the table is close
_GIVE_UP = 1 << 40  # what `N_NEAR` is at least until the table has been cleared
_shares, _share_n, _share_near, _used = floats("shares"), ints("share_n"), ints("share_near"), ints("share_used")
_places = length("shares")


@compiled
def clear_shares(s: Ints) -> None:
    """Forget all levels."""
    total = run_ints(s)
    for number in range(total[c.N_SHARES]):
        place = _used(s)[number]
        _shares(s)[place] = 0.0
        _share_n(s)[place] = 0
    total[c.N_SHARES] = total[c.N_NEAR] = 0


@inlined
def add_share(s: Ints, level: float) -> int:
    """Count a resource that is full at a level; return the level's place."""
    total, shares, counts = run_ints(s), _shares(s), _share_n(s)
    mask = _places(s) - 1
    place = int((np.float64(level).view(np.int64) * 0x9E3779B97F4A7C1 >> 40) & mask)
    while shares[place] != level:
        if shares[place] == 0.0:
            _enter(s, place, level)
            break
        place = (place + 1) & mask
    counts[place] += 1
    if counts[place] == 1:
        total[c.N_NEAR] += _close_by(s, place)
    return place


@inlined
def remove_share(s: Ints, place: int) -> None:
    """Count a resource at the level with this place less."""
    counts = _share_n(s)
    counts[place] -= 1
    if not counts[place]:
        run_ints(s)[c.N_NEAR] -= _close_by(s, place)


@inlined
def _close_by(s: Ints, place: int) -> int:
    """1 if the level that is close to that of a place counts now, else 0."""
    near = _share_near(s)[place]
    return 1 if near != _NONE and _share_n(s)[near] > 0 else 0


@compiled
def _enter(s: Ints, place: int, level: float) -> None:
    """Put a new level into the table, in which it stays, and find the one that is close to it.

    If there are several, or if the table is full, all is solved from scratch, which clears it.
    """
    total, shares, near, used = run_ints(s), _shares(s), _share_near(s), _used(s)
    near[place] = _NONE
    for number in range(total[c.N_SHARES]):
        other = used[number]
        if level <= shares[other] * _TIE and shares[other] <= level * _TIE:
            if near[place] != _NONE or near[other] != _NONE:
                total[c.N_NEAR] |= _GIVE_UP
            near[place], near[other] = other, place
    used[total[c.N_SHARES]] = place
    total[c.N_SHARES] += 1
    if 2 * total[c.N_SHARES] > _places(s):
        total[c.N_NEAR] |= _GIVE_UP
    shares[place] = level
