"""Solved sets of flows, remembered while a set fits into one word: small groups visit few of them."""

from __future__ import annotations

from dwdp_sim.base.arrays import Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.jit import compiled
from dwdp_sim.fabric.compiled.views import floats, ints, length, rate_of, run_ints

_active, _keys, _rates, _row = ints("active"), ints("known_key"), floats("known_rates"), ints("known_row")
_places = length("known_key")


@compiled
def _find(s: Ints) -> int:
    """Return the place of the present set in the table, or the free place that it would have; KEPT holds the set."""
    total, active, keys = run_ints(s), _active(s), _keys(s)
    key = 0
    for k in range(total[c.N_ACTIVE]):
        key |= 1 << active[k]
    total[c.KEPT] = key
    mask = _places(s) - 1
    place = ((key * 0x9E3779B97F4A7C1) >> 20) & mask
    while keys[place] != 0 and keys[place] != key:
        place = (place + 1) & mask
    return place


@compiled
def recall(s: Ints) -> bool:
    """Take the rates of the present set from the table, if they are there."""
    total, active, keys = run_ints(s), _active(s), _keys(s)
    if not _places(s):
        return False
    place = _find(s)
    if keys[place] == 0:
        return False
    rates, kept, flows = rate_of(s), _rates(s), total[c.FLOWS]
    base = _row(s)[place] * flows
    for k in range(total[c.N_ACTIVE]):
        rates[active[k]] = kept[base + active[k]]
    return True


@compiled
def remember(s: Ints) -> None:
    """Put the rates of the present set into the table; a table half full starts afresh."""
    total, active, keys = run_ints(s), _active(s), _keys(s)
    if not _places(s):
        return
    if 2 * total[c.N_KNOWN] >= _places(s):
        for place in range(_places(s)):
            keys[place] = 0
        total[c.N_KNOWN] = 0
    place = _find(s)
    keys[place] = total[c.KEPT]
    _row(s)[place] = total[c.N_KNOWN]
    rates, kept, flows = rate_of(s), _rates(s), total[c.FLOWS]
    base = total[c.N_KNOWN] * flows
    total[c.N_KNOWN] += 1
    for k in range(total[c.N_ACTIVE]):
        kept[base + active[k]] = rates[active[k]]
