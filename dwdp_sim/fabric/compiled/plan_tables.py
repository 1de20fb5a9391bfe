"""The program as tables of flows, runs, calls and copies, in the order of execution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dwdp_sim.base.arrays import Bools, Floats, Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.plan.copy_plan import BATCH
from dwdp_sim.plan.endpoints import HOST, LINK_KINDS, link_kinds
from dwdp_sim.plan.program import Program

_PEER, _LOCAL = LINK_KINDS.index("peer"), LINK_KINDS.index("local")
TURN = "turn"
_GAPS = (*LINK_KINDS, TURN)  # what a gap depends on, beside bytes
_TURN = _GAPS.index(TURN)


@dataclass(frozen=True)
class PlanTables:
    """Tables of a program; see `state.State` for their columns.

    Attributes:
        engine_gpu: GPU of each engine.
        flow_engine, flow_gpu, flow_src, flow_dst: Of each flow.
        flow_kind: Its kind of link, an index into `LINK_KINDS`.
        copy_flow, copy_size, copy_next, copy_next_own, copy_half: Of each copy.
        run_i, run_heads: Of each run.
        call_i: Of each call.
        gaps: Every gap that occurs, by the kind of link, or `turn`, and the bytes of the copy behind it.
        run_gap, call_gap: The gap before each run and each call, an index into `gaps`; -1 for a run that opens a call.
        call_kind: Kind of link of each call's first copy.
        call_copies, call_batched: Copies of each call; whether it is a batch.
        call_from_host: Whether it is a batch from host memory.
    """

    engine_gpu: Ints
    flow_engine: Ints
    flow_gpu: Ints
    flow_src: Ints
    flow_dst: Ints
    flow_kind: Ints
    copy_flow: Ints
    copy_size: Ints
    copy_next: Ints
    copy_next_own: Ints
    copy_half: Ints
    run_i: Ints
    run_heads: Ints
    call_i: Ints
    gaps: tuple[tuple[str, int], ...]
    run_gap: Ints
    call_gap: Ints
    call_kind: Ints
    call_copies: Floats
    call_batched: Bools
    call_from_host: Bools


def plan_tables(program: Program, order: Ints, batch_engines: int) -> PlanTables:
    """Number the flows and engines of a program as they first occur, and cut its batches into runs.

    Args:
        program: What runs.
        order: Index in the program of the copy at each place of the execution.
        batch_engines: Engines that share a batch by source, 1 or 2.
    """
    first = program.call_first_copy[:-1]
    call_gpu = program.stream_gpu[program.call_stream]
    direction = np.where(program.copy_src[first] == HOST, 1, np.where(program.copy_dst[first] == HOST, 2, 0))
    call_engine, engine_key = _numbered(call_gpu * 3 + direction)
    src, dst, size = program.copy_src[order], program.copy_dst[order], program.copy_bytes[order]
    copy_engine, ends = call_engine[program.copy_call], program.num_gpus + 1
    flow, flow_key = _numbered((copy_engine * ends + src + 1) * ends + dst + 1)
    flow_src, flow_dst = flow_key // ends % ends - 1, flow_key % ends - 1
    engine_gpu = engine_key // 3
    flow_engine = flow_key // ends // ends
    flow_gpu = engine_gpu[flow_engine]
    kind = link_kinds(flow_src, flow_dst)
    way = 2 * kind + (flow_gpu == flow_dst)
    turns = np.concatenate([[False], way[flow[1:]] != way[flow[:-1]]]) if len(flow) else np.zeros(0, dtype=np.bool_)
    opens = np.zeros(len(flow), dtype=np.bool_)
    opens[first] = True
    breaks = opens | turns | (kind[flow] == _LOCAL)
    run_of = np.cumsum(breaks) - 1
    next_same, half, heads = _chains(flow, run_of, batch_engines)
    run_i = _runs(breaks, flow, kind, flow_gpu == flow_src, heads, run_of, half)
    starts = run_i[:, c.N_FIRST]
    gap_key = size * len(_GAPS) + np.where(turns & ~opens, _TURN, kind[flow])
    gap, gaps = _numbered(np.concatenate([gap_key[starts], gap_key[first]]))
    batched = program.call_issue == BATCH
    return PlanTables(
        engine_gpu=engine_gpu,
        flow_engine=flow_engine,
        flow_gpu=flow_gpu,
        flow_src=flow_src,
        flow_dst=flow_dst,
        flow_kind=kind,
        copy_flow=flow,
        copy_size=size,
        copy_next=next_same,
        copy_next_own=_next_of(run_of * 2 + half),
        copy_half=half,
        run_i=run_i,
        run_heads=np.flatnonzero(heads),
        call_i=_calls(program, call_engine, run_of),
        gaps=tuple((_GAPS[key % len(_GAPS)], key // len(_GAPS)) for key in gaps.tolist()),
        run_gap=np.where(opens[starts], -1, gap[: len(starts)]),
        call_gap=gap[len(starts) :],
        call_kind=kind[flow[first]],
        call_copies=np.diff(program.call_first_copy).astype(np.float64),
        call_batched=batched,
        call_from_host=batched & (src[first] == HOST),
    )


def _numbered(keys: Ints) -> tuple[Ints, Ints]:
    """Number keys as they first occur; return the number of each, and the key of each number."""
    distinct, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    return number[inverse.reshape(-1)], distinct[order]


def _next_of(group: Ints) -> Ints:
    """The next place with the same group, for each place; -1 if there is none."""
    following = np.full(len(group), -1, dtype=np.int64)
    order = np.argsort(group, kind="stable")
    same = group[order[1:]] == group[order[:-1]]
    following[order[:-1][same]] = order[1:][same]
    return following


def _chains(flow: Ints, run_of: Ints, engines: int) -> tuple[Ints, Ints, Bools]:
    """For each copy, the next one of its flow in the run, and its half; and whether it is the first of its flow."""
    group, _ = _numbered(run_of * (int(flow.max(initial=0)) + 1) + flow)
    following = _next_of(group)
    heads = np.ones(len(flow), dtype=np.bool_)
    heads[following[following >= 0]] = False
    if engines == 1:
        return following, np.zeros(len(flow), dtype=np.int64), heads
    places = np.flatnonzero(heads)
    first_in_run = np.searchsorted(run_of[places], run_of[places])
    number = np.arange(len(places)) - first_in_run
    return following, (number % 2)[group], heads


def _runs(breaks: Bools, flow: Ints, kind: Ints, pushes: Bools, heads: Bools, run_of: Ints, half: Ints) -> Ints:
    firsts = np.flatnonzero(breaks)
    run_i = np.zeros((len(firsts), c.RUN_INTS), dtype=np.int64)
    run_i[:, c.N_FIRST] = firsts
    run_i[:, c.N_LAST] = np.append(firsts[1:], len(flow))
    run_i[:, c.N_PEER] = kind[flow[firsts]] == _PEER
    run_i[:, c.N_PUSH] = pushes[flow[firsts]]
    run_of_head = run_of[heads]
    numbers = np.arange(len(firsts))
    run_i[:, c.N_HEADS] = np.searchsorted(run_of_head, numbers, side="left")
    run_i[:, c.N_END_HEADS] = np.searchsorted(run_of_head, numbers, side="right")
    run_i[:, c.N_SECOND_HALF] = -1
    second = np.flatnonzero(half == 1)
    runs, place = np.unique(run_of[second], return_index=True)
    run_i[runs, c.N_SECOND_HALF] = second[place]
    return run_i


def _calls(program: Program, engine: Ints, run_of: Ints) -> Ints:
    first, last = program.call_first_copy[:-1], program.call_first_copy[1:]
    call_i = np.zeros((len(first), c.CALL_INTS), dtype=np.int64)
    call_i[:, c.C_ENGINE] = engine
    call_i[:, c.C_FIRST_RUN] = run_of[first]
    call_i[:, c.C_LAST_RUN] = run_of[last - 1] + 1
    # A single barrier holds nothing up.
    call_i[:, c.C_BARRIER] = program.call_barrier if program.call_barrier.max(initial=0) > 0 else -1
    return call_i
