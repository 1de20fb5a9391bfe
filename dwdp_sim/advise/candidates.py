"""What could be chosen, what each engine offers today, and what would have to change for the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

from dwdp_sim.base.units import format_slice
from dwdp_sim.plan.strategy import Strategy

SLICES: tuple[int | None, ...] = (*(2**power for power in (16, 18, 20, 21, 22, 23, 25)), None)
ONE_BY_ONE = ("default", "ring")  # strategies of single copies, which are never cut
CONTENTION_OPT_SLICE_BYTES = 2 * 2**20
_CONTENTION_OPT = ("batched", CONTENTION_OPT_SLICE_BYTES)
# Strategy and slice that an engine's users can choose (read in its public source).
OFFERED = {
    "trtllm_ipc": (("default", None), _CONTENTION_OPT),
    "trtllm_vmm": (("default", None), _CONTENTION_OPT),
    "sglang": (("default", None),),
}
_CHANGES = {
    "default": "single copies",
    "ring": "the order of peers",
    "batched": "a batched path",
    "batched_per_round": "one batch for each peer",
    "waves": "batches of a few copies",
}


@dataclass(frozen=True)
class Candidate:
    """A strategy, and whether the prefetch crosses the step boundary."""

    strategy: Strategy
    carry_over: bool = False

    @property
    def kind(self) -> str:
        """The strategy's name; rounds that the group makes together are `paced_rounds`."""
        paced = self.strategy.name == "batched_per_round" and self.strategy.barrier == "group"
        return "paced_rounds" if paced else self.strategy.name

    @property
    def slice_bytes(self) -> int | None:
        """Largest copy; None: whole pulls."""
        return self.strategy.slice_bytes if self.strategy.slices else None

    @property
    def label(self) -> str:
        """For people."""
        cut = self.strategy.name not in ONE_BY_ONE
        size = "" if not cut else f" {format_slice(self.slice_bytes)}" if self.slice_bytes else " whole pulls"
        return f"{self.kind}{size}{' + carry-over' if self.carry_over else ''}"


def candidate_of(strategy: Strategy, carry_over: bool) -> Candidate:
    """What runs, with everything unset that its strategy does not read."""
    cut = strategy.name not in ONE_BY_ONE
    barrier = strategy.barrier if strategy.name in ("batched_per_round", "waves") else "none"
    return Candidate(replace(strategy, slice_bytes=strategy.slice_bytes if cut else None, barrier=barrier), carry_over)


def candidates(have: Candidate) -> list[Candidate]:
    """Every strategy with every slice, what the user has first; carrying over is left to `with_other_carry`.

    Args:
        have: What the user runs; its implementation, wave size and slice count for all.
    """
    base = replace(have.strategy, slice_bytes=None, barrier="none", call_rounds=1)
    whole = [replace(base, name=name) for name in ONE_BY_ONE]
    cut = [
        replace(base, name=name, barrier=barrier)
        for name, barrier in (
            ("batched", "none"),
            ("batched_per_round", "none"),
            ("batched_per_round", "group"),
            ("waves", "none"),
        )
    ]
    sizes = dict.fromkeys((*SLICES, have.slice_bytes))
    sliced = [replace(strategy, slice_bytes=size) for strategy, size in product(cut, sizes)]
    return list(dict.fromkeys([have, *(Candidate(strategy, have.carry_over) for strategy in (*whole, *sliced))]))


def offered(have: Candidate) -> list[Candidate]:
    """What the user can choose today without changing the engine: what it offers, and what runs already."""
    base = replace(have.strategy, barrier="none", call_rounds=1)
    choices = [
        Candidate(replace(base, name=name, slice_bytes=size), have.carry_over)
        for name, size in OFFERED[have.strategy.implementation]
    ]
    return list(dict.fromkeys([have, *choices]))


def pair(have: Candidate) -> tuple[Candidate, Candidate]:
    """The default copies, and contention_opt or what would be it, in the user's engine."""
    base = replace(have.strategy, barrier="none", call_rounds=1)
    default = replace(base, name="default", slice_bytes=None)
    batched = replace(base, name="batched", slice_bytes=CONTENTION_OPT_SLICE_BYTES)
    return Candidate(default, have.carry_over), Candidate(batched, have.carry_over)


def changes(candidate: Candidate, have: Candidate) -> list[str]:
    """What an engine's developers would have to change; empty: nothing.

    Args:
        candidate: What is wanted.
        have: What runs already.
    """
    found = []
    strategy, choices = candidate.strategy, OFFERED[have.strategy.implementation]
    known = {name for name, _ in choices} | {have.strategy.name}
    if strategy != have.strategy and (strategy.name, candidate.slice_bytes) not in choices:
        if strategy.name not in known:
            found.append(_CHANGES[strategy.name])
        elif candidate.slice_bytes != have.slice_bytes or strategy.name != have.strategy.name:
            found.append("the slice size")
        if strategy.barrier == "group" and have.strategy.barrier != "group":
            found.append("a barrier of the group")
    if candidate.carry_over and not have.carry_over:
        found.append("prefetch over the step boundary")
    return found
