"""Rows as a machine would give them whose constants are known: a simulated one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from dwdp_hw.rows.file import measurement_file
from dwdp_hw.rows.host_costs import HOST_COSTS, predicted_host_s
from dwdp_hw.rows.recording import Recording, read_recording
from dwdp_hw.rows.schema import MeasuredRow
from dwdp_hw.rows.streams_codec import fold_streams, unfold_pieces
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.plan.program import Program
from dwdp_sim.plan.program_file import program_from_dict

OPTIONS = FabricOptions()
KIB, MIB = 1 << 10, 1 << 20
PULL, PUSH = {"gpu": 0, "kind": "pull", "peer": 1}, {"gpu": 1, "kind": "push", "peer": 0}
BACK = {"gpu": 1, "kind": "pull", "peer": 0}


def job(who: dict[str, Any], issue: str, count: int, size: int) -> dict[str, Any]:
    return {**who, "issue": issue, "copies_bytes": [{"n": count, "each": size, "last": size}]}


Case = tuple[list[dict[str, Any]], bool]
"""Concurrent jobs, and whether they are queued."""

CASES: dict[str, Case] = {
    **{f"size_{size}": ([job(PULL, "async", 1, size)], True) for size in (64 * KIB, 16 * MIB, 64 * MIB, 256 * MIB)},
    **{f"train_{size}": ([job(PULL, "async", 64, size)], True) for size in (64 * KIB, MIB, 8 * MIB)},
    "both": ([job(PULL, "batch", 128, 8 * MIB), job(BACK, "batch", 128, 8 * MIB)], True),
    "trains both": ([job(PULL, "async", 64, MIB), job(BACK, "async", 64, MIB)], True),
    "shared": ([job(PULL, "batch", 64, 32 * MIB), job(PUSH, "batch", 256, 2 * MIB)], True),
    "host 64": ([job(PULL, "batch", 64, 256 * KIB)], False),
    "host 512": ([job(PULL, "batch", 512, 256 * KIB)], False),
    # the rest is for validation
    "batch alone": ([job(PULL, "batch", 100, 2 * MIB)], True),
    "layer both, default": ([job(PULL, "async", 6, 40 * MIB), job(BACK, "async", 6, 40 * MIB)], True),
    "layer both, batched": ([job(PULL, "batch", 120, 2 * MIB), job(BACK, "batch", 120, 2 * MIB)], True),
    "uneven, shared": ([job(PULL, "batch", 20, 32 * MIB), job(PUSH, "batch", 40, 4 * MIB)], True),
    "short train": ([job(PULL, "async", 20, 2 * MIB)], True),
}


def record(
    path: Path,
    cluster: Cluster,
    options: FabricOptions = OPTIONS,
    noise: float = 0.002,
    cases: Mapping[str, Case] = CASES,
    speeds: Sequence[float] = (1.0,),
) -> Recording:
    """Rows as a machine with these constants and rules would give them.

    Its host issues the cases in turn at each of `speeds`: so much slower than its constants say.
    """
    random = np.random.default_rng(5)
    rows = []
    for (name, (jobs, queued)), speed in zip(cases.items(), cycle(speeds), strict=False):
        host = cluster.with_values({cost: speed * cluster.number(cost) for cost in HOST_COSTS})
        program = program_from_dict(
            {"streams": [{"gpu": one["gpu"], "queued": queued, "calls": _calls(one)} for one in jobs]}, 2
        )
        row = _row(name, program, host, options, noise, random)
        row["jobs"] = [{"gpu": one["gpu"], "issue": one["issue"], "calls": _calls(one)} for one in jobs]
        rows.append(row)
    return _recording(path, 2, rows)


def record_programs(
    path: Path, cluster: Cluster, options: FabricOptions, programs: Mapping[str, Program], noise: float = 0.002
) -> Recording:
    """Rows as more than two GPUs with these constants and rules would give them."""
    random = np.random.default_rng(5)
    rows = []
    for name, program in programs.items():
        row = _row(name, program, cluster, options, noise, random)
        row["streams"] = fold_streams(program)
        rows.append(row)
    return _recording(path, next(iter(programs.values())).num_gpus, rows)


def _row(
    name: str,
    program: Program,
    cluster: Cluster,
    options: FabricOptions,
    noise: float,
    random: np.random.Generator,
) -> MeasuredRow:
    """A row of seven runs, without what ran."""
    elapsed = simulate(program, constants_for(cluster, program, options), options).stream_elapsed_s
    runs = [np.sort(1e6 * seconds * (1 + noise * random.standard_normal(7))).tolist() for seconds in elapsed]
    return {
        "case": name,
        "measure": "layer",
        "queued_behind_gate": bool(program.stream_queued.all()),
        "device_us": [{"median": own[3], "min": own[0], "max": own[-1]} for own in runs],
        "host_us": [1e6 * seconds for seconds in predicted_host_s(program, cluster)],
        "start_skew_us": {"median": 0.0, "max": 0.0},
        "stable": True,
        "unstable_reason": None,
    }


def _recording(path: Path, gpus: int, rows: Sequence[MeasuredRow]) -> Recording:
    path.write_text(measurement_file({"gpu": "simulated", "gpus": gpus, "driver": "none"}, "", rows, []))
    return read_recording(str(path))


def _calls(one: dict[str, Any]) -> list[dict[str, Any]]:
    own, peer = f"gpu{one['gpu']}", f"gpu{one['peer']}"
    src, dst = (peer, own) if one["kind"] == "pull" else (own, peer)
    return unfold_pieces(one["copies_bytes"], one["issue"], src, dst)


def rates(value: float) -> dict[str, float]:
    return {f"{name}_bytes_per_s": value for name in ("egress", "ingress", "pair")}
