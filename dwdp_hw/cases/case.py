"""A case to measure and the settings of a group of ranks, as plain data that processes exchange."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

from dwdp_sim.model.moe import MoEModel
from dwdp_sim.plan.copy_plan import CopyPlan

MEASURES = ("layer", "pipeline", "issue_cost", "relative_cost")
WINDOWS = ("spin", "matmul", "kernels")
# About 1,000 commands fill a stream; the next call blocks until the GPU makes progress, which a closed gate forbids.
QUEUE_LIMIT_CALLS = 800


class Labels(TypedDict):
    """The names of the model, strategy and so on that a plan was built from; None if there is no such name."""

    model: str | None
    strategy: str | None
    implementation: str | None
    slice_bytes: int | None


@dataclass(frozen=True)
class LayerCompute:
    """What each layer of a pipeline computes where its windows are a model's kernels.

    Attributes:
        model: Whose layer.
        lengths: By rank, the lengths of the step's requests; a rank beyond the end takes the last.
    """

    model: MoEModel
    lengths: tuple[tuple[int, ...], ...]

    def lengths_of(self, rank: int) -> tuple[int, ...]:
        """The lengths of a rank's requests."""
        return self.lengths[min(rank, len(self.lengths) - 1)]


@dataclass(frozen=True)
class Pipeline:
    """A forward step of several layers.

    Attributes:
        window_s: Compute time of each layer behind its experts' arrival in seconds, by rank; a rank beyond the end
            takes the last. With `kernels` what it is known to be, or empty.
        window: `spin` (a timed kernel on one multiprocessor), `matmul` (bf16 matrix products of about that length) or
            `kernels` (those of the model's layer, in torch).
        factors: What multiplies the windows of each layer, by rank; empty: nothing.
        before_s: Compute time of each layer before it waits for its experts, by rank as `window_s`; empty: none. Only
            `spin` has it for itself; with `kernels` what it is known to be.
        compute: What `kernels` compute.
    """

    window_s: tuple[float, ...]
    window: str = "spin"
    factors: tuple[tuple[float, ...], ...] = ()
    before_s: tuple[float, ...] = ()
    compute: LayerCompute | None = None

    def windows_s(self, rank: int, layers: int) -> tuple[float, ...]:
        """Compute time of each layer behind its experts' arrival on one rank, in seconds; zero where unknown."""
        return self._of_layers(self.window_s, rank, layers)

    def befores_s(self, rank: int, layers: int) -> tuple[float, ...]:
        """Compute time of each layer before it waits for its experts on one rank, in seconds; zero where unknown."""
        return self._of_layers(self.before_s, rank, layers)

    def _of_layers(self, by_rank: tuple[float, ...], rank: int, layers: int) -> tuple[float, ...]:
        seconds = by_rank[min(rank, len(by_rank) - 1)] if by_rank else 0.0
        return tuple(seconds * factor for factor in (self.factors[rank] if self.factors else (1.0,) * layers))


@dataclass(frozen=True)
class Case:
    """One plan to measure, and how.

    Attributes:
        name: Unique in its run.
        plan: The copies of one layer.
        labels: Columns of the row that say what the plan was made from.
        measure: One of `MEASURES`.
        issue: How batches are handed over, see `issue.ISSUES`.
        issue_mode: `queued` or `as_issued`.
        mapping: How peer memory is mapped, see `cluster.MAPPINGS`.
        home: Where the peers' experts are: `peer`, `host` or `local`.
        ranks: Ranks that pull; the others only serve.
        layers: Layers with buffers of their own; repeats go round.
        warmups, repeats: Runs before and during the measurement.
        detail: Whether one more run watches single slices and calls.
        witness: Whether two more runs are recorded by CUPTI, of which the second is kept.
        pipeline: Windows (`measure=pipeline`).
        lasting_s: How long a process alternates between copies and the yardstick (`measure=relative_cost`).
        sources: By rank, the peers that it pulls from, where that is not every holder of a remote expert; empty: it is.
        start_s: By rank, seconds after the common start at which it begins (`measure=layer`); empty: together.
    """

    name: str
    plan: CopyPlan = field(repr=False)
    labels: Labels
    measure: str = "layer"
    issue: str = "arrays"
    issue_mode: str = "queued"
    mapping: str = "ipc"
    home: str = "peer"
    ranks: tuple[int, ...] = (0,)
    layers: int = 2
    warmups: int = 2
    repeats: int = 7
    detail: bool = False
    witness: bool = False
    pipeline: Pipeline | None = None
    sources: tuple[tuple[int, ...], ...] = ()
    start_s: tuple[float, ...] = ()
    lasting_s: float = 0.0

    def sources_of(self, rank: int) -> tuple[int, ...]:
        """The peers whose experts must be in the rank's slot after a prefetch."""
        return self.sources[rank] if self.sources else tuple(range(self.plan.placement.dwdp_size))

    def later_s(self, rank: int) -> float:
        """Seconds after the common start at which the rank begins."""
        return self.start_s[rank] if self.start_s else 0.0


@dataclass(frozen=True)
class Settings:
    """Settings of a group of ranks.

    Attributes:
        executor: `cuda`, or `host`: the same processes and plans on host memory, without a GPU.
        wait_s: Longest wait for a GPU or for another rank.
        heartbeat_s: A rank that gives no sign of life for so long is lost.
        start_s: Ranks must have started within this.
        gate_timeout_s: A gate opens by itself after this.
        shared_folder: Folder in memory where the ranks of a host meet.
        hang_rank: Test of the deadlines: this rank's stream gets a kernel far longer than `wait_s`.
    """

    executor: str = "cuda"
    wait_s: float = 30.0
    heartbeat_s: float = 10.0
    start_s: float = 120.0
    gate_timeout_s: float = 5.0
    shared_folder: str = "/dev/shm"  # noqa: S108  # a private folder is made in it
    hang_rank: int | None = None
