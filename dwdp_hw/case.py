"""What is measured, and what comes back from each rank. Plain data that travels between processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dwdp_hw.telemetry import Reading
from dwdp_hw.witness import Witness
from dwdp_sim.plan import CopyPlan

MEASURES = ("layer", "pipeline", "issue_cost")
WINDOWS = ("spin", "matmul")


@dataclass(frozen=True)
class Pipeline:
    """A forward step of several layers.

    Attributes:
        window_s: Compute time of each layer in seconds, by rank; a rank beyond the end takes the last.
        window: `spin` (a timed kernel on one multiprocessor) or `matmul` (bf16 matrix products of about that length).
        factors: What multiplies the windows of each layer, by rank; empty: nothing.
    """

    window_s: tuple[float, ...]
    window: str = "spin"
    factors: tuple[tuple[float, ...], ...] = ()

    def windows_s(self, rank: int, layers: int) -> tuple[float, ...]:
        """Compute time of each layer on one rank, in seconds."""
        window_s = self.window_s[min(rank, len(self.window_s) - 1)]
        return tuple(window_s * factor for factor in (self.factors[rank] if self.factors else (1.0,) * layers))


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes:
        name: Unique in its run.
        plan: The copies of one layer.
        labels: Columns of the row that say what the plan was made from.
        measure: `layer`, `pipeline` or `issue_cost`.
        issue: How batches are handed over, see `issue.ISSUES`.
        issue_mode: `queued` or `as_issued`.
        mapping: How peer memory is mapped, see `peer_memory.MAPPINGS`.
        home: Where the peers' experts are: `peer`, `host` or `local`.
        ranks: Ranks that pull; the others only serve.
        layers: Layers with buffers of their own; repeats go round.
        warmups, repeats: Runs before and during the measurement.
        detail: Whether one more run watches single slices and calls.
        witness: Whether two more runs are recorded by CUPTI, of which the second is kept.
        pipeline: Windows (`measure=pipeline`).
        sources: By rank, the peers that it pulls from, where that is not every holder of a remote expert; empty: it is.
        start_s: By rank, seconds after the common start at which it begins (`measure=layer`); empty: together.
    """

    name: str
    plan: CopyPlan = field(repr=False)
    labels: Mapping[str, Any]
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

    def sources_of(self, rank: int) -> tuple[int, ...]:
        """The peers whose experts must be in the rank's slot after a prefetch."""
        return self.sources[rank] if self.sources else tuple(range(self.plan.placement.dwdp_size))

    def later_s(self, rank: int) -> float:
        """Seconds after the common start at which the rank begins."""
        return self.start_s[rank] if self.start_s else 0.0


@dataclass(frozen=True)
class Settings:
    """How a group of ranks is run.

    Attributes:
        executor: `cuda`, or `host`: the same processes and plans on host memory, without a GPU.
        wait_s: Longest wait for a GPU or for another rank.
        heartbeat_s: A rank that gives no sign of life for so long is lost.
        start_s: Ranks must have started within this.
        gate_timeout_s: A gate opens by itself after this.
        shared_folder: Folder in memory where the ranks of a host meet; where it does not exist, the temporary folder.
        hang_rank: Test of the deadlines: this rank's stream gets a kernel far longer than `wait_s`.
    """

    executor: str = "cuda"
    wait_s: float = 30.0
    heartbeat_s: float = 10.0
    start_s: float = 120.0
    gate_timeout_s: float = 5.0
    shared_folder: str = "/dev/shm"
    hang_rank: int | None = None


@dataclass(frozen=True)
class Sample:
    """One run of one rank.

    Attributes:
        elapsed_s: Device time from the start to the last byte.
        host_s: Time the issuing thread spent in the calls.
        started_s: When the rank started, on the host's monotonic clock, less its planned delay.
        queued_calls: Calls that were complete when the clock started.
        gate_late: Whether the gate opened by its time-out.
    """

    elapsed_s: float
    host_s: float
    started_s: float
    queued_calls: int
    gate_late: bool


@dataclass(frozen=True)
class Detail:
    """One run seen from close up; seconds from the start, NaN where it could not be seen.

    Attributes:
        arrival_s: When each copy's last byte arrived.
        issue_s: When each call was complete on the host.
        call_end_s: When each call was complete on the device.
    """

    arrival_s: list[float]
    issue_s: list[float]
    call_end_s: list[float]


@dataclass(frozen=True)
class LayerTimes:
    """One layer of a pipeline run on one rank, seconds from the start of the step."""

    layer: int
    copy_begin_s: float
    copy_end_s: float
    compute_begin_s: float
    compute_end_s: float


@dataclass(frozen=True)
class RankResult:
    """What one rank found out about one case.

    Attributes:
        rank, host: Who.
        device: Name of the GPU, or what ran instead.
        path: The driver entry that moved the bytes.
        pulls: Whether this rank pulled.
        samples: Timed runs, in order; empty for a rank that only served.
        detail: See `Detail`.
        witness: See `Witness`.
        layers: For each timed pipeline run, its layers.
        issue_cost_s: For each way of issuing, host seconds a slice of each run.
        clock_uncertainty_s: How well this GPU's clock is known on the host's.
        before, after: NVML around the case.
        pulled_bytes: Bytes this rank pulled between the two readings.
        verified_runs: Runs whose every byte was compared.
        machine: Versions and names, equal over a run.
    """

    rank: int
    host: str
    device: str
    path: str
    pulls: bool
    samples: list[Sample]
    detail: Detail | None
    witness: Witness | None
    layers: list[list[LayerTimes]]
    issue_cost_s: dict[str, list[float]]
    clock_uncertainty_s: float
    before: Reading
    after: Reading
    pulled_bytes: int
    verified_runs: int
    machine: dict[str, Any]
