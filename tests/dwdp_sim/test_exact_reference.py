"""Batches of several ranks against a slow simulator in exact fractions, written from the model's definitions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dwdp_sim.builders import Copy, Queue, ends, links, program, run
from tests.dwdp_sim.drawn import queues
from tests.dwdp_sim.test_batch import any_rule, oldest_rule

Pair = tuple[int, int]
CAPACITY = 100
GAMMA = {1: Fraction(1), 2: Fraction(3, 4), 3: Fraction(5, 8)}  # exact in binary too
FIXED_S, GAP_S = Fraction(3, 2), Fraction(1, 4)
LOSSES: dict[str, Any] = {
    "incast_factor_2": 0.75,
    "incast_factor_3": 0.625,
    "incast_factor_4_up": 0.625,
    "peer_fixed_s": 1.5,
    "peer_gap_s": [[1, 0.25]],
}


def fair(pairs: list[Pair], pair_cap: Fraction) -> list[Fraction]:
    """Max-min by freezing, again and again, the flows of the link with the smallest share."""
    links_of = [[("out", src), ("in", dst), ("pair", src, dst)] for src, dst in pairs]
    room: dict[tuple[object, ...], Fraction] = {}
    for src, dst in pairs:
        readers = len({reader for source, reader in pairs if source == src})
        room["out", src] = CAPACITY * GAMMA[min(readers, 3)]
        room["in", dst] = Fraction(CAPACITY)
        room["pair", src, dst] = pair_cap
    rates: dict[int, Fraction] = {}
    while len(rates) < len(pairs):
        shares = {}
        for link, capacity in room.items():
            users = [i for i, own in enumerate(links_of) if link in own]
            taken = sum((rates[i] for i in users if i in rates), Fraction(0))
            free = [i for i in users if i not in rates]
            if free:
                shares[link] = ((capacity - taken) / len(free), free)
        rate, users = min(shares.values(), key=lambda share: share[0])
        rates |= dict.fromkeys(users, rate)
    return [rates[i] for i in range(len(pairs))]


class Rank:
    """One stream of calls without a host: what is moving and what is left."""

    def __init__(self, calls: list[tuple[Copy, ...]]) -> None:
        self.calls = calls
        self.begin_s = FIXED_S
        self.end_s = Fraction(0)
        self.enter()

    def enter(self) -> None:
        self.left = [Fraction(size) for _, _, size in self.calls[0]] if self.calls else []
        self.done: set[int] = set()
        self.moving: set[int] = set()

    def refill(self, now: Fraction, refill: str, places: int) -> None:
        if self.calls and now >= self.begin_s:
            flows = [src * 100 + dst for src, dst, _ in self.calls[0]]
            if refill == "oldest":
                self.moving = oldest_rule(flows, self.done, places)
            else:
                self.moving = any_rule(flows, self.done, self.moving, places)

    def advance(self, index: int, moved: Fraction, now: Fraction) -> None:
        self.left[index] -= moved
        if self.left[index] == 0:
            self.done.add(index)
            self.moving.remove(index)
            if len(self.done) == len(self.left):
                self.end_s, self.begin_s = now, now + GAP_S
                self.calls = self.calls[1:]
                self.enter()


def exact_ends(drawn: list[Queue], pair_cap: Fraction, refill: str, places: int) -> list[Fraction]:
    ranks = [Rank([call.copies for call in q.calls]) for q in drawn]
    now = Fraction(0)
    while any(rank.calls for rank in ranks):
        for rank in ranks:
            rank.refill(now, refill, places)
        moving = [(rank, index) for rank in ranks for index in sorted(rank.moving)]
        rates = fair([rank.calls[0][index][:2] for rank, index in moving], pair_cap)
        steps = [rank.left[index] / rate for (rank, index), rate in zip(moving, rates, strict=True)]
        steps += [rank.begin_s - now for rank in ranks if rank.calls and rank.begin_s > now]
        step = min(steps)
        now += step
        for (rank, index), rate in zip(moving, rates, strict=True):
            rank.advance(index, rate * step, now)
    return [rank.end_s for rank in ranks]


@given(
    queues(max_gpus=5, max_calls=3, max_batch=8, kinds=("pull",), one_stream_a_gpu=True),
    st.sampled_from([25, 40, 100]),
    st.sampled_from(["oldest", "any"]),
    st.integers(1, 4),
)
def test_batches_with_incast_gaps_and_pair_caps_end_when_exact_arithmetic_says(
    drawn: list[Queue], pair_cap: int, refill: str, places: int
) -> None:
    values = links(CAPACITY) | LOSSES | {"pair_bytes_per_s": pair_cap}
    got = ends(run(program(*drawn), refill=refill, in_flight_sources=places, **values))
    expected = [float(end) for end in exact_ends(drawn, Fraction(pair_cap), refill, places)]
    assert got == pytest.approx(expected, rel=1e-9)
