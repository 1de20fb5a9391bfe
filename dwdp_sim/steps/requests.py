"""Draw requests and pack them into forward steps of at most `max_num_tokens` tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, islice
from typing import Annotated, NamedTuple

import numpy as np
from msgspec import Meta

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.typed_file import convert
from dwdp_sim.base.user_file import parse_json, read_text

MOST_TOKENS = 10**9  # of a request or a step: far beyond any model, far below what overflows
_MOST_DIGITS = 20
_Lengths = Annotated[list[Annotated[int, Meta(ge=1, le=MOST_TOKENS)]], Meta(min_length=1)]


class Chunk(NamedTuple):
    """A part of one request in one forward step.

    Attributes:
        new_tokens: Tokens that the step processes.
        context_tokens: Tokens of the same request that earlier steps have processed.
    """

    new_tokens: int
    context_tokens: int = 0


Step = tuple[Chunk, ...]


@dataclass(frozen=True)
class RequestLoad:
    """The input lengths that arrive at each rank, without end: a rank never waits for a request.

    Attributes:
        isl: Longest input in tokens; unused where `lengths` are given.
        ratio: Shortest input as a share of `isl`, above 0 and at most 1. Lengths are uniform in [ratio·isl, isl].
        max_num_tokens: Most new tokens of a forward step.
        lengths: Input lengths in the order of arrival, dealt to the ranks in turn and repeated from the start; drawn
            from `isl` and `ratio` where empty.
    """

    isl: int = 8192
    ratio: float = 1.0
    max_num_tokens: int = 16384
    lengths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("isl", "max_num_tokens"):
            if not 1 <= getattr(self, name) <= MOST_TOKENS:
                raise ConfigError(f"workload.{name}", getattr(self, name), f"must be from 1 to {MOST_TOKENS} tokens")
        if not 0 < self.ratio <= 1:
            raise ConfigError("workload.ratio", self.ratio, "must be above 0 and at most 1")
        if any(length < 1 for length in self.lengths):
            raise ConfigError("workload.lengths", min(self.lengths), "every length must be at least 1 token")

    def most_steps_a_request(self) -> int:
        """Return how many steps the longest input takes."""
        return -(-max(self.lengths, default=self.isl) // self.max_num_tokens)

    def arrivals(self, rank: int, ranks: int, seed: int) -> Iterator[int]:
        """Input lengths of one rank's requests, without end; drawn ones depend on `seed` and `rank` alone."""
        if self.lengths:
            for place in count(rank, ranks):
                yield self.lengths[place % len(self.lengths)]
        random = np.random.default_rng([seed, rank])
        while True:
            yield int(random.integers(math.ceil(self.ratio * self.isl), self.isl, endpoint=True))


def pack(arrivals: Iterable[int], max_num_tokens: int) -> Iterator[Step]:
    """Cut arriving requests into forward steps, in the order of arrival; the last, unfinished step is left out.

    Whole requests enter a step while they fit; the first that does not fit opens the next step. A request longer than a
    step opens a step of its own, fills as many as it needs, and leaves the room in its last one to those behind it.

    Args:
        arrivals: Input lengths.
        max_num_tokens: Most new tokens of a step.
    """
    step: list[Chunk] = []
    room = max_num_tokens
    for length in arrivals:
        done = 0
        if length > room and step:
            yield tuple(step)
            step, room = [], max_num_tokens
        while length - done > room:
            yield (Chunk(room, done),)
            done += room
        step.append(Chunk(length - done, done))
        room -= length - done


def draw_steps(load: RequestLoad, ranks: int, iterations: int, seed: int) -> list[list[Step]]:
    """Draw the forward steps of every rank.

    Returns:
        For each rank the chunks of each of its `iterations` steps.
    """
    return [list(steps) for steps in _drawn(load, ranks, iterations, seed)]


@lru_cache(maxsize=128)  # an advice and a map ask for the same seeds thousands of times
def _drawn(load: RequestLoad, ranks: int, iterations: int, seed: int) -> tuple[tuple[Step, ...], ...]:
    packed = (pack(load.arrivals(rank, ranks, seed), load.max_num_tokens) for rank in range(ranks))
    return tuple(tuple(islice(steps, iterations)) for steps in packed)


def count_tokens(steps: Sequence[Sequence[Step]]) -> list[list[int]]:
    """Count the new tokens of each rank's steps."""
    return [[sum(chunk.new_tokens for chunk in step) for step in rank] for rank in steps]


def read_lengths(path: str) -> tuple[int, ...]:
    """Read input lengths: a JSON list, or one whole number a line.

    Raises:
        ConfigError: The file cannot be read, is empty, or holds something else than whole numbers from 1 to
            `MOST_TOKENS`.
    """
    key = "workload.lengths"
    text = read_text(path, key).strip()
    content = parse_json(text, path, key) if text.startswith("[") else [_number(line) for line in text.split("\n")]
    return tuple(convert(content, _Lengths, path, key))


def _number(line: str) -> int | str:
    """A line as a whole number, or as it stands."""
    digits = line.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < _MOST_DIGITS else line
