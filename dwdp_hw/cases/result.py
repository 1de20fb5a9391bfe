"""The results that each rank returns from a case, as plain data that processes exchange."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


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
    """When each copy and call of one watched run ended, in seconds from the start; NaN if not seen.

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
    """One layer of a pipeline run on one rank, seconds from the start of the step.

    Attributes:
        layer: Which.
        copy_begin_s, copy_end_s: Its prefetch.
        compute_begin_s, compute_end_s: What it computes with its experts.
        before_end_s: The end of what it computes before it waits for them; None if it computes nothing before.
    """

    layer: int
    copy_begin_s: float
    copy_end_s: float
    compute_begin_s: float
    compute_end_s: float
    before_end_s: float | None = None


QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75)
"""Of the times that are kept of a process that alternated between copies and the yardstick."""


@dataclass(frozen=True)
class RelativeCost:
    """What issuing copies cost one process beside a fixed piece of Python, as `QUANTILES`.

    Attributes:
        pairs: How often both were timed.
        yardstick_s: The piece of Python, in seconds.
        cost_s: The issuing of a copy.
    """

    pairs: int
    yardstick_s: list[float]
    cost_s: list[float]


@dataclass(frozen=True)
class RankResult:
    """The measurements of one rank for one case.

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
        relative: See `RelativeCost`.
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
    relative: RelativeCost | None
    clock_uncertainty_s: float
    before: Reading
    after: Reading
    pulled_bytes: int
    verified_runs: int
    machine: dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """One NVML reading of a GPU; None if it does not report a value.

    Attributes:
        sm_clock_hz, memory_clock_hz: Clocks.
        power_w: Power drawn.
        temperature_c: Temperature of the GPU.
        slowdowns: Reasons for which the GPU is slowed down just now.
        nvlink_rx_bytes: Data that came in over all its links since the driver was loaded.
        nvlink_errors: Sum of the links' error counters.
    """

    sm_clock_hz: float | None = None
    memory_clock_hz: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    slowdowns: tuple[str, ...] = ()
    nvlink_rx_bytes: int | None = None
    nvlink_errors: int | None = None


@dataclass(frozen=True)
class CopyRecord:
    """One copy as CUPTI recorded it; it may stand for several copies of a batch.

    Attributes:
        name: CUPTI's words for its kind.
        begin_s, end_s: On the profiler's clock.
        size: Bytes.
    """

    name: str
    begin_s: float
    end_s: float
    size: int


@dataclass(frozen=True)
class Witness:
    """The copies that CUPTI recorded in a run.

    Attributes:
        copies: In the order of their begin.
        trace: The profiler's whole file, as text.
        missing: Why there is nothing; None if there is.
    """

    copies: list[CopyRecord]
    trace: str
    missing: str | None


def result_to_text(result: RankResult) -> str:
    """Return a result as JSON: text from another process can be read without running anything in it."""
    return json.dumps(asdict(result))


def result_from_text(text: str) -> RankResult:
    """Read what `result_to_text` returned."""
    found = json.loads(text)
    detail, witness, relative = found["detail"], found["witness"], found["relative"]
    return RankResult(
        **found
        | {
            "samples": [Sample(**sample) for sample in found["samples"]],
            "detail": detail and Detail(**detail),
            "witness": witness
            and Witness(**witness | {"copies": [CopyRecord(**record) for record in witness["copies"]]}),
            "layers": [[LayerTimes(**layer) for layer in run] for run in found["layers"]],
            "relative": relative and RelativeCost(**relative),
            "before": _reading(found["before"]),
            "after": _reading(found["after"]),
        }
    )


def _reading(found: dict[str, Any]) -> Reading:
    return Reading(**found | {"slowdowns": tuple(found["slowdowns"])})
