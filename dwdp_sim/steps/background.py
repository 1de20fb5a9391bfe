"""Traffic beside the prefetch: another GPU takes the KV cache of a finished step away from each rank."""

from __future__ import annotations

import math

import numpy as np

from dwdp_sim.plan.copy_plan import ASYNC, NO_BARRIER
from dwdp_sim.plan.program import Program

_COPY_BYTES = 16 * 2**20  # KV blocks move in pieces; only their sum matters here


def with_background(program: Program, taken_bytes: int) -> Program:
    """The program with a further GPU for each rank, which pulls `taken_bytes` from it after each of its steps.

    Args:
        program: One stream a rank, GPU r for rank r.
        taken_bytes: Bytes a step; 0 leaves the program as it is.
    """
    if not taken_bytes:
        return program
    ranks = len(program.stream_gpu)
    copies = math.ceil(taken_bytes / _COPY_BYTES)
    sizes = np.full(copies, _COPY_BYTES, dtype=np.int64)
    sizes[-1] = taken_bytes - (copies - 1) * _COPY_BYTES
    rank = np.repeat(np.arange(ranks, dtype=np.int64), copies)
    calls = np.full(len(rank), 1, dtype=np.int64)
    return Program(
        num_gpus=program.num_gpus + ranks,
        stream_gpu=np.r_[program.stream_gpu, program.num_gpus + np.arange(ranks)],
        stream_start_s=np.r_[program.stream_start_s, np.zeros(ranks)],
        stream_queued=np.r_[program.stream_queued, np.ones(ranks, dtype=np.bool_)],
        call_stream=np.r_[program.call_stream, ranks + rank],
        call_issue=np.r_[program.call_issue, ASYNC * calls],
        call_barrier=np.r_[program.call_barrier, NO_BARRIER * calls],
        call_first_copy=np.r_[program.call_first_copy, program.call_first_copy[-1] + 1 + np.arange(len(rank))],
        copy_src=np.r_[program.copy_src, rank],
        copy_dst=np.r_[program.copy_dst, program.num_gpus + rank],
        copy_bytes=np.r_[program.copy_bytes, np.tile(sizes, ranks)],
    )
