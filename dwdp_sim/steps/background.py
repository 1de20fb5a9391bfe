"""Add traffic beside the prefetch: another GPU takes the KV cache of a finished step away from each rank."""

from __future__ import annotations

import math

import numpy as np

from dwdp_sim.plan.copy_plan import ASYNC
from dwdp_sim.plan.program import Program, ProgramStream

_COPY_BYTES = 16 * 2**20  # KV blocks move in pieces; only their sum matters here


def with_background(program: Program, taken_bytes: int) -> Program:
    """Return the program with a further GPU for each rank, which pulls `taken_bytes` from it after each of its steps.

    Args:
        program: One stream a rank, GPU r for rank r.
        taken_bytes: Bytes a step; 0 leaves the program as it is.
    """
    if not taken_bytes:
        return program
    ranks, gpus = len(program.stream_gpu), program.num_gpus
    copies = math.ceil(taken_bytes / _COPY_BYTES)
    sizes = np.full(copies, _COPY_BYTES, dtype=np.int64)
    sizes[-1] = taken_bytes - (copies - 1) * _COPY_BYTES
    one_by_one = np.ones(copies, dtype=np.int64)
    pulls = [ProgramStream(gpus + rank, rank, gpus + rank, sizes, one_by_one, ASYNC) for rank in range(ranks)]
    return Program.build(gpus + ranks, [*program.streams, *pulls])
