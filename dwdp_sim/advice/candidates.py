"""List the strategies to compare, those that an engine offers today, and the changes that others need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dwdp_sim.base.units import format_slice
from dwdp_sim.plan.kinds import STRATEGIES, default_and_batched, offered_by
from dwdp_sim.plan.strategy import Strategy, StrategyKind

SLICES: tuple[int | None, ...] = (*(2**power for power in (16, 18, 20, 21, 22, 23, 25)), None)


@dataclass(frozen=True)
class Candidate:
    """A strategy, and whether the prefetch crosses the step boundary."""

    strategy: Strategy
    carry_over: bool = False

    @property
    def kind(self) -> str:
        """The strategy's name, or its name with a barrier of the group if it has one."""
        named = self.strategy.kind.name_with_barrier if self.strategy.barrier == "group" else None
        return named or self.strategy.name

    @property
    def label(self) -> str:
        """The candidate's name for people."""
        size = f" {format_slice(self.strategy.slice_bytes)}" if self.strategy.kind.slices else ""
        return f"{self.kind}{size}{' + carry-over' if self.carry_over else ''}"


def candidates(current: Candidate, also: Sequence[StrategyKind] = ()) -> list[Candidate]:
    """Return every strategy with every slice size, the current one first; `with_other_carry` adds carrying over.

    Args:
        current: What the user runs; its implementation, wave size and slice count for all.
        also: Strategies beside those of this project.
    """
    base = replace(current.strategy, barrier="none", call_rounds=1)
    sizes = tuple(dict.fromkeys((*SLICES, current.strategy.slice_bytes)))
    kinds = sorted(dict.fromkeys((*STRATEGIES.values(), *also)), key=lambda kind: kind.slices)
    strategies = (strategy for kind in kinds for strategy in _variants(replace(base, kind=kind), sizes))
    return list(dict.fromkeys([current, *(Candidate(strategy, current.carry_over) for strategy in strategies)]))


def _variants(strategy: Strategy, sizes: Sequence[int | None]) -> Iterator[Strategy]:
    """The strategy with each slice and, where that has a name of its own, with a barrier of the group."""
    for barrier in ("none", "group") if strategy.kind.name_with_barrier else ("none",):
        for size in sizes if strategy.kind.slices else (None,):
            yield replace(strategy, slice_bytes=size, barrier=barrier)


def pair(current: Candidate) -> tuple[Candidate, Candidate]:
    """Return the default copies and `contention_opt`, or its equivalent, in the user's engine."""
    default, batched = default_and_batched(current.strategy.implementation)
    return _like(current, default), _like(current, batched)


def offered(current: Candidate) -> list[Candidate]:
    """Return what the user can choose without changing the engine: what runs already, and what the engine offers."""
    choices = offered_by(current.strategy.implementation)
    return list(dict.fromkeys([current, *(_like(current, choice) for choice in choices)]))


def _like(current: Candidate, choice: Strategy) -> Candidate:
    """The choice with the user's wave size and prefetch over the step boundary."""
    return Candidate(replace(choice, wave_copies=current.strategy.wave_copies), current.carry_over)


def changes(candidate: Candidate, current: Candidate) -> list[str]:
    """Return what an engine's developers would have to change; empty if nothing.

    Args:
        candidate: What is wanted.
        current: What runs already.
    """
    found = []
    strategy, own = candidate.strategy, current.strategy
    choices = [(choice.kind, choice.slice_bytes) for choice in offered_by(own.implementation)]
    if strategy != own and (strategy.kind, strategy.slice_bytes) not in choices:
        if strategy.kind not in [own.kind, *(kind for kind, _ in choices)]:
            found.append(strategy.kind.change)
        elif (strategy.kind, strategy.slice_bytes) != (own.kind, own.slice_bytes):
            found.append("the slice size")
        if strategy.barrier == "group" and own.barrier != "group":
            found.append("a barrier of the group")
    if candidate.carry_over and not current.carry_over:
        found.append("prefetch over the step boundary")
    return found
