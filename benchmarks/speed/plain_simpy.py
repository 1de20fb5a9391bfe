"""The prefetch of one layer in plain SimPy, as somebody would write it who knows SimPy and has no toolkit.

Every GPU has a link out and a link in, of equal rates, shared max-min by the slices that move. A rank reads its slices
in order, two at a time, and one at a time from a source. After every change all rates are worked out anew.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Generator, Sequence
from typing import Any

import simpy

Slices = Sequence[tuple[int, int]]  # source and bytes of each
ALMOST_NONE_BYTES = 1e-3  # rounding leaves less of a slice that is through


class Crossbar:
    def __init__(self, env: simpy.Environment, rate: float) -> None:
        self.env, self.rate, self.since_s = env, rate, 0.0
        self.left: dict[tuple[int, int], float] = {}  # bytes, by source and reader
        self.speed: dict[tuple[int, int], float] = {}
        self.arrival: dict[tuple[int, int], simpy.Event] = {}
        self.changed = env.event()
        env.process(self.run())

    def move(self, source: int, reader: int, size: int) -> simpy.Event:
        """Start to move a slice; the event is its arrival."""
        self.left[source, reader] = size
        self.arrival[source, reader] = self.env.event()
        if not self.changed.triggered:
            self.changed.succeed()
        return self.arrival[source, reader]

    def run(self) -> Generator[simpy.Event, Any, None]:
        while True:
            self.share()
            next_s = min((left / self.speed[flow] for flow, left in self.left.items()), default=None)
            yield self.changed if next_s is None else self.changed | self.env.timeout(next_s)
            self.changed = self.env.event()
            for flow, speed in self.speed.items():
                self.left[flow] -= speed * (self.env.now - self.since_s)
            self.since_s = self.env.now
            for flow in [flow for flow in self.speed if self.left[flow] < ALMOST_NONE_BYTES]:
                del self.left[flow]
                self.arrival.pop(flow).succeed()

    def share(self) -> None:
        """Progressive filling: the tightest link gives each of its slices the same, then the tightest of the others."""
        self.speed = {}
        users = defaultdict(set)
        for source, reader in self.left:
            for link in (("out", source), ("in", reader)):
                users[link].add((source, reader))
        room = dict.fromkeys(users, self.rate)
        while users:
            share, tightest = min((room[link] / len(flows), link) for link, flows in users.items())
            for source, reader in list(users[tightest]):
                self.speed[source, reader] = share
                for link in (("out", source), ("in", reader)):
                    room[link] -= share
                    users[link].remove((source, reader))
                    if not users[link]:
                        del users[link]


def ends_s(rate: float, starts_s: Sequence[float], slices: Sequence[Slices]) -> list[float]:
    """When each rank has read its last slice."""
    env = simpy.Environment()
    crossbar, ended = Crossbar(env, rate), list(starts_s)

    def place(rank: int, ahead: deque[tuple[int, int]], turns: dict[int, simpy.Resource]) -> Any:
        yield env.timeout(starts_s[rank])
        while ahead:
            source, size = ahead.popleft()
            with turns[source].request() as turn:
                yield turn
                yield crossbar.move(source, rank, size)
            ended[rank] = env.now

    for rank, own in enumerate(slices):
        ahead = deque(own)
        turns: dict[int, simpy.Resource] = defaultdict(lambda: simpy.Resource(env))
        for _ in range(2):
            env.process(place(rank, ahead, turns))
    env.run()
    return ended
