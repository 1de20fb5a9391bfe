"""Records as a process would leave them that runs a plan, with a layer's copies at other places in every layer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from dwdp_sim.plan.copy_plan import BATCH, CopyPlan

NAMES = {True: "cudaMemcpyBatchAsync", False: "cudaMemcpyAsync"}
STEP_NS = 1_000_000


def lines_of_rank(plan: CopyPlan, rank: int, layers: int = 3, steps: int = 2) -> list[dict[str, Any]]:
    """The record of one rank: a peer's experts are one allocation, and so is each slot."""
    size = plan.placement.dwdp_size
    resident = plan.placement.num_experts_per_worker * np.array([p.bytes for p in plan.parameters])
    slot = (plan.placement.num_experts - plan.placement.num_experts_per_worker) * np.array(
        [p.bytes for p in plan.parameters]
    )
    lines: list[dict[str, Any]] = [
        {"what": "process", "format": 1, "process": 100 + rank, "parent": 99, "python": "3.12.0"},
        {"what": "watched", "module": "cuda.bindings.runtime", "functions": [*NAMES.values(), "cudaMemcpyPeerAsync"]},
        *(allocation(peer, peer, layers * int(resident.sum())) for peer in range(size)),
        *(allocation(size + number, rank, int(slot.sum())) for number in range(2)),
    ]
    calls = np.flatnonzero(plan.call_rank == rank)
    for layer in range(layers):
        for number, call in enumerate(calls):
            own = plan.copy_call == call
            parameter = plan.copy_parameter[own]
            src = layer * resident.sum() + (np.cumsum(resident) - resident)[parameter] + plan.copy_src_offset[own]
            dst = (np.cumsum(slot) - slot)[parameter] + plan.copy_dst_offset[own]
            lines.append({
                "what": "copies",
                "id": layer * len(calls) + number,
                "src": plan.copy_peer[own].tolist(),
                "src_offset": src.tolist(),
                "dst": [size + layer % 2] * int(own.sum()),
                "dst_offset": dst.tolist(),
                "bytes": plan.copy_bytes[own].tolist(),
            })  # fmt: skip
    for order in range(layers * steps * len(calls)):
        is_batch = bool(plan.call_issue[calls[order % len(calls)]] == BATCH)
        lines.append(call_line(order, NAMES[is_batch], order % (layers * len(calls))))
    return [*lines, end(layers * steps * len(calls))]


def allocation(number: int, gpu: int, size: int) -> dict[str, Any]:
    return {"what": "allocation", "id": number, "kind": "device", "device": gpu, "bytes": size}


def call_line(order: int, name: str, copies: int, **changes: Any) -> dict[str, Any]:
    begin_ns = order * STEP_NS
    times = {"begin_ns": begin_ns, "end_ns": begin_ns + 5_000}
    where = {"thread": 0, "stream": 1, "code": 0, "copies": copies}
    return {"what": "call", "order": order, "name": name, **times, **where, **changes}


def end(calls: int) -> dict[str, Any]:
    return {"what": "end", "calls": calls, "lost": 0, "left_out": 0, "unread": 0, "converted": 0}


def write_record(folder: Path, number: int, lines: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"record-{number:012x}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
