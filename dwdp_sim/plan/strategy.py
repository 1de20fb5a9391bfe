"""A strategy: the order in which a rank pulls its experts, the size of slices, and their grouping into calls.

Every strategy is a sort of slices. Its record, `StrategyKind`, says which driver call issues a slice and in which order
the slices of a call stand; `Strategy` is a record with what a user chooses for it. `kinds` holds the records of this
project, and `strategy_file` reads one from a file of the user's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, SupportsIndex

from dwdp_sim.base.arrays import Ints
from dwdp_sim.base.errors import ConfigError, check_choice
from dwdp_sim.plan.copy_plan import ASYNC, BATCH
from dwdp_sim.plan.engines import CONTENTION_OPT_SLICE_BYTES, IMPLEMENTATIONS, Implementation
from dwdp_sim.plan.slices import MOST_COPIES, Slices

BARRIERS = ("none", "group")
READABLE = ("slice_bytes", "wave_copies", "call_rounds", "barrier")  # what a record may read of a `Strategy`


@dataclass(frozen=True)
class StrategyKind:
    """A kind of strategy: its order, how it forms calls, and what its documentation says.

    Its two functions are given the slices of all ranks, or of one, and the `Strategy`; what they return has one value a
    slice.

    Attributes:
        name: As in results.
        keys: Returns the sort keys of the slices inside a call, most significant first.
        call: Returns the number of the call that issues each slice, at least 0; a rank makes its calls in ascending
            order. None: one call for all slices of a rank.
        issue: `BATCH`: a call is one batch. `ASYNC`: each slice is a call of its own.
        reads: Which of `READABLE` count: `slice_bytes` cuts pulls into slices, `wave_copies` cuts calls into calls of
            so many copies, `call_rounds` is for `call`, and `barrier` may make each call wait for the group.
        change: What the developers of an engine would have to add for it.
        name_with_barrier: Its name in advice where `barrier` is `group`, if that deserves one and is to be compared.
        remade_by: Function and arguments that make it anew in another process, of a record that was read from a file:
            its functions cannot be imported there.
    """

    name: str
    keys: Callable[[Slices, Strategy], Sequence[Ints]] = field(repr=False)
    call: Callable[[Slices, Strategy], Ints] | None = field(default=None, repr=False)
    issue: int = BATCH
    reads: tuple[str, ...] = ()
    change: str = "another order of copies"
    name_with_barrier: str | None = None
    remade_by: tuple[Callable[..., StrategyKind], tuple[str, ...]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if unknown := [name for name in self.reads if name not in READABLE]:
            raise ConfigError("StrategyKind.reads", ", ".join(unknown), f"allowed: {', '.join(READABLE)}")
        if self.issue not in (ASYNC, BATCH):
            raise ConfigError("StrategyKind.issue", self.issue, "allowed: ASYNC, BATCH")

    @property
    def slices(self) -> bool:
        """Whether it cuts pulls into slices."""
        return "slice_bytes" in self.reads

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """How to pickle it."""
        return self.remade_by or super().__reduce_ex__(protocol)


@dataclass(frozen=True)
class Strategy:
    """The strategy by which the experts of one layer are pulled.

    Attributes:
        kind: The record, one of `kinds.STRATEGIES` or the user's own.
        implementation: Whose order and parameters; one of `IMPLEMENTATIONS`.
        slice_bytes: Largest copy in bytes; None copies each (peer, parameter) whole. None if `kind` does not read it.
        wave_copies: Most copies of a call, where `kind` reads it.
        call_rounds: Peers pulled from, one after another, by each call, where `kind` reads it.
        barrier: `group` makes each call wait until the whole group has finished the one before. `none` if `kind` does
            not read it.
    """

    kind: StrategyKind
    implementation: str = "trtllm_ipc"
    slice_bytes: int | None = CONTENTION_OPT_SLICE_BYTES
    wave_copies: int = 8
    call_rounds: int = 1
    barrier: str = "none"

    def __post_init__(self) -> None:
        check_choice("strategy.implementation", self.implementation, IMPLEMENTATIONS)
        if self.slice_bytes is not None and self.slice_bytes < 1:
            raise ConfigError("strategy.slice_bytes", self.slice_bytes, "must be at least one byte")
        for name in ("wave_copies", "call_rounds"):
            if not 1 <= getattr(self, name) <= MOST_COPIES:
                raise ConfigError(f"strategy.{name}", getattr(self, name), f"must be from 1 to {MOST_COPIES}")
        check_choice("strategy.barrier", self.barrier, BARRIERS)
        if "slice_bytes" not in self.kind.reads:
            object.__setattr__(self, "slice_bytes", None)
        if "barrier" not in self.kind.reads:
            object.__setattr__(self, "barrier", "none")

    @property
    def name(self) -> str:
        """The record's name."""
        return self.kind.name

    @property
    def engine(self) -> Implementation:
        """How this serving engine differs from others."""
        return IMPLEMENTATIONS[self.implementation]

    @property
    def most_copies(self) -> int:
        """Most copies of one call."""
        if self.kind.issue == ASYNC:
            return 1
        return self.wave_copies if "wave_copies" in self.kind.reads else MOST_COPIES
