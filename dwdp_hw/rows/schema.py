"""The fields of a measured row in a file, for everything that writes or reads one."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from msgspec import Meta

from dwdp_hw.rows.streams_codec import FoldedStream, Pieces
from dwdp_sim.base.typed_file import Name
from dwdp_sim.plan.program_file import Count

FORMAT = 6
MOST_GPUS = 1024  # of a machine

Us = Annotated[float, Meta(ge=0, le=1e12)]
"""Microseconds of something that was timed."""

Later = Annotated[float, Meta(ge=-1e12, le=1e12)]
"""Microseconds between two moments, either of which may be the first."""

_Said = str | int | float | bool | None
Gpu = Annotated[int, Meta(ge=0, lt=MOST_GPUS)]
_Number = Annotated[int, Meta(ge=0, le=2**53)]


FIELDS = {
    "copies_bytes": "of the first pulling rank, in issue order: n pieces of 'each' bytes, the last of 'last'",
    "issue": "async: one cudaMemcpyAsync a piece; batch: batched calls (calls says how many)",
    "issued_as": "how batches are handed over: arrays (C arrays built once), lists (ready Python lists), built_lists",
    "path": "the driver entry that moved the bytes",
    "ranks_pulling": "how many ranks pull at once; with 1, rank 0 where streams do not say otherwise",
    "streams": "with three ranks and more, for each pulling rank: its GPU, its planned start, pulls as [n, [[source, "
    "bytes], …]] (n times these in this order), calls as [n, copies]; barriers: each call waits for every rank's last",
    "device_us": "for each pulling rank, over the repeats; of a row with rounds, over the medians of those that count",
    "host_us": "for each pulling rank, the median time its thread spent in the calls",
    "queued_calls": "calls complete when the clock started; fewer than calls where they do not fit the stream's queue",
    "start_skew_us": "how far apart the ranks started beyond their planned starts; null with one rank",
    "start_us_runs": "for each pulling rank, when it started in each run, beyond its planned start and after the first "
    "rank of that run; null with one rank or several hosts",
    "clock_uncertainty_us": "how well the GPUs' clocks are known on the host's: the error of queued rows' skew",
    "over_nvlink": "for each pulling rank: whether NVML's data counters agree with the plan's bytes",
    "verified_runs": "runs whose every byte was compared with the expected pattern",
    "arrival_us": "one more run: when each copy's last byte had arrived, and each call ended, from the start",
    "cupti": "one more run, recorded by CUPTI through torch's profiler: records (one may stand for several copies), "
    "their bytes, the time from the first begin to the last end, the sum of their durations",
    "window_us": "pipelines: compute time of a layer, for each rank; window_factors: what multiplies it, by rank and "
    "layer",
    "layer_us": "pipelines, for each rank and layer: medians of the wait for experts, the compute and the copies, and, "
    "where a layer computes before it waits for its experts, of that (before)",
    "requests": "pipelines whose windows are a model's kernels: for each rank, the lengths of the step's requests",
    "issue_cost_us_a_slice": "host time of the calls over their copies, for each way of issuing; queued: the stream is "
    "held by a gate, as_issued: it is idle",
    "relative_cost": "for each process that issued: its group of processes, its rank, how many pairs it timed, and of "
    "the host time of issuing a copy (cost_us) and of one os.getppid() in Python just before (yardstick_us) the 5, 10, "
    "25, 50 and 75 % quantiles",
    "device_us_runs": "every timed run, in order; of pipelines the whole step; of a row with rounds they stand there",
    "rounds": "each time that the case was measured: group (which group of processes, counted from 0, that lived one "
    "after another), at_s (seconds since the run began, at its end), every timed run of each pulling rank, host times "
    "of its calls likewise, reference_us (a fixed transfer over the same link before and after the case: median), "
    "disturbed (the reference was off by more than its bound: the round does not count), unstable_reason (of it alone)",
}
"""What the header of a file says of its fields."""


class Spread(TypedDict):
    """Median and range over the repeats."""

    median: Us
    min: Us
    max: Us


class Skew(TypedDict):
    """Difference between the ranks' starts: the median and the largest over the repeats."""

    median: Us
    max: Us


class _JobWhereKnown(TypedDict, total=False):
    """Fields of a `Job` that need not be there."""

    stream: _Number
    queued: bool
    start_us: Us


class Job(_JobWhereKnown):
    """One stream that a trace saw; `calls` as in a replay file (docs/replay.md)."""

    gpu: Gpu
    issue: str
    calls: list[dict[str, Any]]  # `program_file` knows what they are


class LayerSpan(TypedDict):
    """One layer of a pipeline: medians over the runs."""

    before: NotRequired[Us]
    wait: Later
    compute: Us
    copy: Us
    copy_begin: Later


class Arrivals(TypedDict):
    """When each copy's last byte had arrived and each call ended in a watched run; None if not seen."""

    copies: list[Later | None]
    call_ends: list[Later | None]


class Clocks(TypedDict):
    """What a GPU reported after the case: clocks in Hz, power in W, °C; None if it does not report it."""

    sm_hz: float | None
    memory_hz: float | None
    power_w: float | None
    temperature_c: float | None
    slowdowns: list[str]


class Recorded(TypedDict, total=False):
    """What CUPTI recorded in one more run, or why it did not."""

    missing: str
    records: _Number
    bytes: _Number
    span_us: Us
    copying_us: Us
    names: list[str]


class ProcessCost(TypedDict):
    """What issuing cost one process beside the yardstick: quantiles (`result.QUANTILES`) over its pairs."""

    group: _Number
    rank: _Number
    pairs: _Number
    yardstick_us: list[Us]
    cost_us: list[Us]


class Round(TypedDict):
    """One of several times that a case was measured in a run; lists are by pulling rank, then by timed run."""

    group: _Number
    at_s: Annotated[float, Meta(ge=0, le=1e9)]
    device_us_runs: list[list[Us]]
    host_us_runs: list[list[Us]]
    reference_us: Annotated[list[Us], Meta(min_length=2, max_length=2)]
    disturbed: bool
    unstable_reason: str | None


class _WhereKnown(TypedDict, total=False):
    """Fields of a `MeasuredRow` that need not be there."""

    # what ran
    streams: list[FoldedStream]
    jobs: list[Job]
    copies_bytes: list[Pieces]
    issue: str
    ranks_pulling: Annotated[int, Meta(ge=1, le=MOST_GPUS)]
    home: str
    mapping: str

    # what it was made from
    model: str | None
    strategy: str | None
    implementation: str | None
    slice_bytes: _Number | None
    dwdp_size: Annotated[int, Meta(ge=1, le=MOST_GPUS)]
    held: _Number
    pulled: _Number
    layers: Count
    window: str
    window_us: list[Us]
    window_factors: list[list[Annotated[float, Meta(ge=0, le=1e6)]]]
    requests: list[list[_Number]]

    # how it was run
    issued_as: str
    issue_mode: str
    path: str
    repeats: _Number
    calls: list[_Number]
    queued_calls: list[_Number]
    bursts: list[_Number]

    # what came out
    host_us: list[Us]
    device_us_runs: list[list[Us]]
    host_us_runs: list[list[Us]]
    rounds: list[Round]
    start_us_runs: list[list[Us]] | None
    clock_uncertainty_us: Us
    arrival_us: list[Arrivals]
    layer_us: list[list[LayerSpan]]
    issue_cost_us_a_slice: list[dict[str, Spread]]
    relative_cost: list[ProcessCost]

    # what speaks for it
    over_nvlink: list[str]
    verified_runs: list[_Number]
    clocks: list[Clocks]
    cupti: list[Recorded]


class MeasuredRow(_WhereKnown):
    """One measured case; all times are microseconds, and lists are by stream or pulling rank.

    What ran stands in `streams`, in a trace's row in `jobs`; in others `copies_bytes`, `issue`, `ranks_pulling` and
    `home` imply it: each rank pulls the same from the other one, from the host or from its own GPU. A field that is
    missing here is in `FIELDS`.

    Attributes:
        case: Name, unique in its file.
        measure: One of `case.MEASURES`.
        queued_behind_gate: Whether host time was kept out of `device_us`.
        stable: Whether the row may be compared with others (`stability.why_unstable`).
        unstable_reason: Why not.
        jobs: What ran, as a trace saw it.
        home, mapping, issue_mode: As in `case.Case`.
        model, strategy, implementation, slice_bytes: As in `case.Labels`.
        dwdp_size, held, pulled: Ranks of the group, experts that each holds, and experts that it pulls from each peer.
        layers, window, window_factors: Of a pipeline, as in `case.Case` and `case.Pipeline`.
        repeats: Timed runs, of each round.
        calls: Driver calls.
        bursts: Numbers of a trace's bursts that are the repeats of this row.
        host_us_runs: Time in the calls, of every timed run.
        clocks: Clocks in Hz, power in W, temperature and slowdowns of every rank's GPU after the case.
    """

    case: Name
    measure: str  # one of case.MEASURES
    queued_behind_gate: bool
    device_us: list[Spread]
    start_skew_us: Skew | None
    stable: bool
    unstable_reason: str | None


NOT_RUN = "not run: "
"""How the reason begins for which a case was never begun."""
WARNINGS = "warnings"
"""The machine's key for what NVML said against it meanwhile: other processes, slowness, errors."""


class Failure(TypedDict):
    """A case that gave no row, and why; `NOT_RUN` comes first if nothing was wrong with it."""

    case: str
    why: str


class FileContent(TypedDict):
    """A whole file of rows, in any format."""

    format: NotRequired[int]
    machine: dict[str, _Said | list[_Said]]
    mapping: NotRequired[str]
    source: NotRequired[str]
    method: NotRequired[str]
    fields: NotRequired[dict[str, str]]
    failed: NotRequired[list[Failure]]
    rows: list[dict[str, Any]]
