"""The file of measured rows: a header that says what its fields mean, and one row a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dwdp_hw.rows import FORMAT, METHOD
from dwdp_sim.json_rows import json_rows

FIELDS = {
    "copies_bytes": "of the first pulling rank, in issue order: n pieces of 'each' bytes, the last of 'last'",
    "issue": "async: one cudaMemcpyAsync a piece; batch: batched calls (calls says how many)",
    "issued_as": "how batches are handed over: arrays (C arrays built once), lists (ready Python lists), built_lists",
    "path": "the driver entry that moved the bytes",
    "ranks_pulling": "how many ranks pull at once; with 1, rank 0 where streams do not say otherwise",
    "streams": "with three ranks and more, for each pulling rank: its GPU, its planned start, pulls as [n, [[source, "
    "bytes], …]] (n times these in this order), calls as [n, copies]; barriers: each call waits for every rank's last",
    "device_us": "for each pulling rank, over the repeats",
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
    "layer_us": "pipelines, for each rank and layer: medians of the wait for experts, the compute and the copies",
    "issue_cost_us_a_slice": "host time of the calls over their copies, for each way of issuing; queued: the stream is "
    "held by a gate, as_issued: it is idle",
    "device_us_runs": "every timed run, in order; of pipelines the whole step",
}


def measurement_file(
    machine: dict[str, Any], note: str, rows: Sequence[dict[str, Any]], failed: Sequence[dict[str, str]]
) -> str:
    """The text of a measurement file.

    Args:
        machine: Versions and names.
        note: What the project knows of the machine beside that.
        rows: Measured rows.
        failed: Cases that gave none, and why.
    """
    header = {
        "format": FORMAT,
        "machine": {**machine, "note": note},
        "method": METHOD,
        "fields": FIELDS,
        "failed": list(failed),
    }
    return json_rows(header | {"rows": list(rows)})
