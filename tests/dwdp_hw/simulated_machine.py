"""Rows as a machine would give them whose constants are known: a simulated one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from dwdp_hw.rows.host_costs import HOST_COSTS, predicted_host_s
from dwdp_hw.rows.read import Recording, read_recording
from dwdp_hw.rows.streams_codec import fold_streams
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
        host = changed(cluster, **{cost: speed * cluster.number(cost) for cost in HOST_COSTS})
        program = _program(jobs, queued)
        elapsed = simulate(program, constants_for(host, program, options), options).stream_elapsed_s
        times = []
        for seconds in elapsed:
            runs = np.sort(1e6 * seconds * (1 + noise * random.standard_normal(7)))
            times.append({"median": float(runs[3]), "min": float(runs[0]), "max": float(runs[-1])})
        rows.append(
            {
                "case": name,
                "jobs": jobs,
                "queued_behind_gate": queued,
                "device_us": times,
                "host_us": [1e6 * seconds for seconds in predicted_host_s(program, host)],
                "start_skew_us": {"median": 0.0, "max": 0.0},
            }
        )
    machine = {"gpu": "simulated", "gpus": 2, "driver": "none"}
    path.write_text(json.dumps({"format": 2, "machine": machine, "rows": rows}))
    return read_recording(str(path))


def record_programs(
    path: Path, cluster: Cluster, options: FabricOptions, programs: Mapping[str, Program], noise: float = 0.002
) -> Recording:
    """Rows of the present format, as more than two GPUs with these constants and rules would give them."""
    random = np.random.default_rng(5)
    rows = []
    for name, program in programs.items():
        elapsed = simulate(program, constants_for(cluster, program, options), options).stream_elapsed_s
        runs = [np.sort(1e6 * seconds * (1 + noise * random.standard_normal(7))).tolist() for seconds in elapsed]
        rows.append(
            {
                "case": name,
                "measure": "layer",
                "streams": fold_streams(program),
                "queued_behind_gate": bool(program.stream_queued.all()),
                "device_us": [{"median": r[3], "min": r[0], "max": r[-1]} for r in runs],
                "host_us": [1e6 * seconds for seconds in predicted_host_s(program, cluster)],
                "start_skew_us": {"median": 0.0, "max": 0.0},
                "stable": True,
            }
        )
    gpus = next(iter(programs.values())).num_gpus
    machine = {"gpu": "simulated", "gpus": gpus, "driver": "none"}
    path.write_text(json.dumps({"format": 3, "machine": machine, "failed": [], "rows": rows}))
    return read_recording(str(path))


def _program(jobs: Sequence[dict[str, Any]], queued: bool) -> Any:
    streams = []
    for one in jobs:
        own, peer = f"gpu{one['gpu']}", f"gpu{one['peer']}"
        src, dst = (peer, own) if one["kind"] == "pull" else (own, peer)
        part = one["copies_bytes"][0]
        copy = {"src": src, "dst": dst, "bytes": part["each"], "count": part["n"]}
        call = {"issue": "async", **copy} if one["issue"] == "async" else {"issue": "batch", "copies": [copy]}
        streams.append({"gpu": one["gpu"], "queued": queued, "calls": [call]})
    return program_from_dict({"streams": streams}, 2)


def changed(cluster: Cluster, **values: Any) -> Cluster:
    constants = dict(cluster.constants)
    for name, value in values.items():
        constants[name] = replace(constants[name], value=value)
    return replace(cluster, constants=constants)


def rates(value: float) -> dict[str, float]:
    return {f"{name}_bytes_per_s": value for name in ("egress", "ingress", "pair")}
