"""The columns of result rows: source and meaning of each. The data dictionary is printed from this list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.units import parse_bytes
from dwdp_sim.steps.scenario import FIGURES

SCHEMA_VERSION = 1  # goes up when a column changes its meaning or goes; a new column does not count

CONFIG = "config_json"  # most of the bytes of a row
TEXT, WHOLE, REAL, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()


@dataclass(frozen=True)
class Column:
    """A column of the rows.

    Attributes:
        name: With its unit: `_s` seconds, `_bytes`, `_bytes_per_s`; none for counts, names and ratios.
        type: Arrow type; every column may be null.
        meaning: For people, without the name.
        source: Where its value comes from: a path with dots in the configuration, for a parameter, or in the content of
            `summary.json`, for a metric, where `{rank}` stands for a rank's number; empty for others.
    """

    name: str
    type: pa.DataType
    meaning: str
    source: str = ""


IDENTITY = (
    Column("schema_version", WHOLE, "version of this table"),
    Column("job", TEXT, "name of the job: hash of the configuration as asked for, this schema and the code"),
    Column("asked_hash", TEXT, "hash of the configuration as asked for; jobs of other code share it"),
    Column("config_hash", TEXT, "hash of the configuration with every unset value filled in; null for a failure"),
    Column("code_version", TEXT, "the package's version and a digest of its source"),
    Column("status", TEXT, "`ok` or `failed`"),
    Column("error", TEXT, "why the job failed, on one line"),
)

PARAMETERS = (
    Column("model", TEXT, "model", "model.name"),
    Column("model_format", TEXT, "weight format: nvfp4, mxfp4, fp8_block, bf16", "model.format"),
    Column("hidden_size", WHOLE, "model width H", "model.hidden_size"),
    Column("intermediate_size", WHOLE, "width I of one routed expert", "model.intermediate_size"),
    Column("num_experts", WHOLE, "routed experts E of a layer", "model.num_experts"),
    Column("num_moe_layers", WHOLE, "layers with routed experts", "model.num_moe_layers"),
    Column("cluster", TEXT, "machine", "cluster.name"),
    Column("mapping", TEXT, "how peer memory is mapped: ipc, vmm_fd, vmm_fabric", "cluster.mapping"),
    Column("home", TEXT, "where the peers' experts are: peer, host, local", "cluster.home"),
    Column("link_rate", REAL, "rates of all links as a share of the machine's", "cluster.link_rate"),
    Column("dwdp_size", WHOLE, "ranks N in the group", "dwdp.dwdp_size"),
    Column("num_experts_per_worker", WHOLE, "experts L that a rank holds", "dwdp.num_experts_per_worker"),
    Column("num_prefetch_experts", WHOLE, "experts P pulled from each peer", "dwdp.num_prefetch_experts"),
    Column("strategy", TEXT, "how a layer is pulled", "strategy.name"),
    Column("implementation", TEXT, "whose copies and order: trtllm_ipc, trtllm_vmm, sglang", "strategy.implementation"),
    Column("slice_bytes", WHOLE, "largest copy; null: whole pulls", "strategy.slice_bytes"),
    Column("wave_copies", WHOLE, "copies of a wave (waves)", "strategy.wave_copies"),
    Column("call_rounds", WHOLE, "peers that one call pulls from (batched_per_round)", "strategy.call_rounds"),
    Column("barrier", TEXT, "none or group", "strategy.barrier"),
    Column("workload", TEXT, "what is run", "workload.kind"),
    Column("start", TEXT, "when the ranks start: random, offsets, lockstep, file", "workload.start"),
    Column("max_phase_s", REAL, "ranks start at random within this (start = random)", "workload.max_phase_s"),
    Column("draws", WHOLE, "starts that are drawn (start = random)", "workload.draws"),
    Column("compute", TEXT, "where compute times come from (this and all to carry_over: iteration)", "compute.name"),
    Column("compute_backend", TEXT, "engine whose kernels were measured", "compute.backend"),
    Column("compute_kernel", TEXT, "kernel of the routed experts", "compute.kernel"),
    Column("compute_load", TEXT, "load of the experts; null: not known", "compute.load"),
    Column("compute_cache", TEXT, "format of keys and values", "compute.cache"),
    Column("compute_projections", TEXT, "format of attention's projections", "compute.projections"),
    Column("compute_experts", TEXT, "format of the experts in the tables", "compute.experts"),
    Column("window_s", REAL, "time of a MoE layer (compute = constant)", "compute.window_s"),
    Column("isl", WHOLE, "longest input in tokens", "workload.isl"),
    Column("ratio", REAL, "shortest input as a share of isl", "workload.ratio"),
    Column("max_num_tokens", WHOLE, "most new tokens of a forward step", "workload.max_num_tokens"),
    Column("slots", WHOLE, "slots for prefetched layers", "workload.slots"),
    Column("launch_s", REAL, "host time to launch a layer's kernels", "workload.launch_s"),
    Column("carry_over", FLAG, "whether the next step's first layers are prefetched early", "workload.carry_over"),
    Column("issue_mode", TEXT, "queued or as_issued", "issue_mode"),
    Column("seed", WHOLE, "seed of everything random", "seed"),
    Column("sharing", TEXT, "how a source is shared: fair, equal, fifo", "fabric.sharing"),
    Column("incast", TEXT, "when incast loses capacity: always, demand, off", "fabric.incast"),
    Column("both_ways", FLAG, "whether opposite directions slow each other", "fabric.both_ways"),
    Column("batch_order", TEXT, "order inside a batch: kept, swapped, random", "fabric.batch_order"),
    Column(
        "in_flight_sources",
        WHOLE,
        "copies of a batch in flight; null: as many as sources",
        "cluster.constants.in_flight_sources.value",
    ),
    Column("refill", TEXT, "which copy takes a free place: oldest, any, bytes", "cluster.constants.refill.value"),
    Column(
        "in_flight_bytes",
        WHOLE,
        "bytes of a batch in flight (refill = bytes)",
        "cluster.constants.in_flight_bytes.value",
    ),
    Column("batch_engines", WHOLE, "engines that share a batch", "cluster.constants.batch_engines.value"),
    Column("issue_async_s", REAL, "host time of a single copy's call", "cluster.constants.issue_async_s.value"),
    Column("issue_batch_s", REAL, "host time of a batch's call", "cluster.constants.issue_batch_s.value"),
    Column("issue_slice_s", REAL, "host time of each copy in a batch", "cluster.constants.issue_slice_s.value"),
    Column("config_json", TEXT, "the whole configuration, filled in; in a job's first row only"),
)

JOB_METRICS = (
    Column("lower_bound_s", REAL, "bytes over the busiest link", "lower_bound_s"),
    Column("prefetch_latency_mean_s", REAL, "mean over the ranks", "prefetch_latency_s.mean"),
    Column("prefetch_latency_p50_s", REAL, "median over the ranks", "prefetch_latency_s.p50"),
    Column("prefetch_latency_p95_s", REAL, "95th percentile over the ranks", "prefetch_latency_s.p95"),
    Column("prefetch_latency_max_s", REAL, "of the slowest rank", "prefetch_latency_s.max"),
    Column("draw_spread", REAL, "largest distance of a draw's mean latency from the mean, as a share", "draw_spread"),
    Column("range_mean_low_s", REAL, "lowest mean over hypotheses", "range_s.mean.0"),
    Column("range_mean_high_s", REAL, "highest mean over hypotheses", "range_s.mean.1"),
    Column("experts_memory_bytes", WHOLE, "a GPU's resident experts, all MoE layers", "memory_bytes.experts"),
    Column("slots_memory_bytes", WHOLE, "a GPU's two slots of remote experts", "memory_bytes.slots"),
    Column("assumed_constants", TEXT, "constants it rests on that nobody measured or published, with commas"),
)

STEP_METRICS = (
    *(Column(f"step_{name}", REAL, f"mean: {meaning}", f"figures.{name}.mean") for name, meaning in FIGURES.items()),
    Column("step_iteration_half_width_s", REAL, "half of its 95 % interval", "figures.iteration_s.half_width"),
    Column("step_iteration_low_s", REAL, "lowest over hypotheses", "range_s.iteration_s.0"),
    Column("step_iteration_high_s", REAL, "highest over hypotheses", "range_s.iteration_s.1"),
    Column("time_to_first_token_s", REAL, "mean over requests, without queueing", "time_to_first_token_s"),
    Column("dep_iteration_s", REAL, "forward step of the same requests under DEP", "dep.iteration_s.mean"),
    Column("dep_gain", REAL, "DEP's time ÷ DWDP's − 1", "dep.gain.mean"),
    Column("dep_gain_half_width", REAL, "half of its 95 % interval", "dep.gain.half_width"),
)

RANK_METRICS = (
    Column("rank", WHOLE, "rank; of a replay, the stream's number in its file; else null", "ranks.{rank}.rank"),
    Column(
        "prefetch_latency_s",
        REAL,
        "from the rank's start to the arrival of its last byte",
        "ranks.{rank}.prefetch_latency_s",
    ),
    Column("host_s", REAL, "part of the latency: the host had not issued", "ranks.{rank}.host_s"),
    Column("gap_s", REAL, "part of the latency: fixed parts and gaps between copies", "ranks.{rank}.gap_s"),
    Column("transfer_s", REAL, "part of the latency: what the bytes would take alone", "ranks.{rank}.transfer_s"),
    Column("contention_s", REAL, "part of the latency: sharing, incast, both-ways loss", "ranks.{rank}.contention_s"),
    Column("range_low_s", REAL, "lowest latency over hypotheses", "range_s.ranks.{rank}.0"),
    Column("range_high_s", REAL, "highest latency over hypotheses", "range_s.ranks.{rank}.1"),
    Column("pulled_bytes", WHOLE, "bytes that the rank pulls", "plan.bytes_per_rank.{rank}"),
    Column("copies", WHOLE, "copies that it issues", "plan.copies_per_rank.{rank}"),
    Column("calls", WHOLE, "driver calls that it makes", "plan.calls_per_rank.{rank}"),
)

RUN = (
    Column("overrides", TEXT, "what the job's command line said"),
    Column("sweep", TEXT, "the sweep that ran it"),
    Column("host", TEXT, "machine that ran it"),
    Column("started_at", pa.timestamp("us", "UTC"), "when it was started"),
    Column("wall_s", REAL, "how long it took, building and simulating"),
)

RESULT_COLUMNS = (*IDENTITY, *PARAMETERS, *JOB_METRICS, *STEP_METRICS, *RANK_METRICS)
COLUMNS = (*RESULT_COLUMNS, *RUN)
SCHEMA = pa.schema([(column.name, column.type) for column in COLUMNS])

_PARTS = {
    "Identity": IDENTITY,
    "Parameters": PARAMETERS,
    "Metrics of the job, equal in each of its rows": JOB_METRICS,
    "Metrics of forward steps (workload=iteration)": STEP_METRICS,
    "Metrics of the rank": RANK_METRICS,
    "The run: these alone differ between two runs of one job": RUN,
}


def find(tree: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path through dictionaries and lists; None if there is none."""
    value: Any = tree
    for key in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, (list, tuple)) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def parameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the parameter columns; null if a failed job's value has not the column's type."""
    return {column.name: _fit(find(config, column.source), column) for column in PARAMETERS if column.source}


def _fit(value: Any, column: Column) -> Any:
    fits: dict[pa.DataType, Callable[[Any], Any]] = {TEXT: str, WHOLE: _whole, REAL: float, FLAG: bool}
    try:
        return None if value is None else pa.scalar(fits[column.type](value), column.type).as_py()
    except (ConfigError, TypeError, ValueError, OverflowError):
        return None


def _whole(value: Any) -> int:
    return parse_bytes(value, "") if isinstance(value, str) else int(value)


def data_dictionary() -> str:
    """Return every column with its type and meaning, as Markdown."""
    lines = [
        "# Columns of result rows",
        "",
        "One row a rank of a job; forward steps and failures have one row without a rank. Printed by",
        f"`dwdp-report data-dictionary` from `dwdp_sim/sweep/columns.py`; schema version {SCHEMA_VERSION}.",
    ]
    for part, columns in _PARTS.items():
        lines += ["", f"## {part}", "", "| column | type | meaning |", "| --- | --- | --- |"]
        lines += [f"| `{column.name}` | {column.type} | {column.meaning} |" for column in columns]
    return "\n".join(lines) + "\n"
