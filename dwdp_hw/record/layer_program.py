"""Turn what the ranks repeat into a program that the simulator replays: one layer of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dwdp_hw.record.layers import IssuedCall, Prefetch
from dwdp_hw.traces.trace_rows import counted
from dwdp_sim.plan.endpoints import HOST, endpoint_key


def layer_program(prefetches: Iterable[Prefetch], gpus: Sequence[int]) -> dict[str, Any]:
    """Return a replay (docs/replay.md) in which each rank pulls one layer, all from one start, host time hidden.

    Args:
        prefetches: One for each stream.
        gpus: The GPUs of the run; the replay numbers them from 0.
    """
    numbers = {HOST: HOST, **{gpu: number for number, gpu in enumerate(gpus)}}
    return {
        "streams": [
            {"gpu": numbers[part.gpu], "queued": True, "calls": counted(_call(call, numbers) for call in part.layer)}
            for part in prefetches
        ]
    }


def _call(call: IssuedCall, numbers: dict[int, int]) -> dict[str, Any]:
    copies = [
        {"src": endpoint_key(numbers[src]), "dst": endpoint_key(numbers[dst]), "bytes": size}
        for src, dst, size in zip(call.src, call.dst, call.copies.bytes, strict=True)
    ]
    return {"issue": "batch", "copies": counted(copies)} if call.is_batch else {"issue": "async", **copies[0]}
