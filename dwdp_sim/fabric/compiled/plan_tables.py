"""The program as tables of flows, runs, calls and copies, in the order of execution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dwdp_sim.base.arrays import Bools, Floats, Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.fabric_constants import FabricConstants, gap_in
from dwdp_sim.plan.copy_plan import BATCH
from dwdp_sim.plan.endpoints import HOST, LINK_KINDS, link_kinds
from dwdp_sim.plan.program import Program

_PEER, _LOCAL = LINK_KINDS.index("peer"), LINK_KINDS.index("local")


@dataclass(frozen=True)
class PlanTables:
    """Tables of a program; see `state.State` for their columns.

    Attributes:
        engine_gpu: GPU of each engine.
        flow_engine, flow_gpu, flow_src, flow_dst: Of each flow.
        flow_kind: Its kind of link, an index into `LINK_KINDS`.
        copy_flow, copy_size, copy_next, copy_next_own, copy_half: Of each copy.
        run_i, run_gap_s, run_heads: Of each run.
        call_i, call_f: Of each call.
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
    run_gap_s: Floats
    run_heads: Ints
    call_i: Ints
    call_f: Floats


def plan_tables(program: Program, order: Ints, constants: FabricConstants) -> PlanTables:
    """Number the flows and engines of a program as they first occur, and cut its batches into runs.

    Args:
        program: What runs.
        order: Index in the program of the copy at each place of the execution.
        constants: Gaps, costs, and how a batch is walked.
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
    next_same, half, heads = _chains(flow, run_of, constants.batch_engines)
    run_i, run_gap_s = _runs(breaks, flow, kind, flow_gpu == flow_src, heads, run_of, half)
    gaps = _Gaps(constants)
    for run, copy in enumerate(run_i[:, c.N_FIRST].tolist()):
        if not opens[copy]:
            name = "turn" if turns[copy] else LINK_KINDS[kind[flow[copy]]]
            run_gap_s[run] = gaps.of(name, int(size[copy]))
    call_i, call_f = _calls(program, constants, gaps, size, kind[flow], src, call_engine, run_of)
    next_own = _next_of(run_of * 2 + half)
    return PlanTables(
        engine_gpu, flow_engine, flow_gpu, flow_src, flow_dst, kind, flow, size, next_same, next_own, half,
        run_i, run_gap_s, np.flatnonzero(heads), call_i, call_f,
    )  # fmt: skip


class _Gaps:
    """Gaps before copies, computed once for each size."""

    def __init__(self, constants: FabricConstants) -> None:
        self._tables: dict[str, Callable[[int], float]] = {
            kind: timing.gap for kind, timing in constants.timing.items()
        }
        self._tables["turn"] = lambda size: gap_in(constants.turn_gap_s, size)
        self._known: dict[tuple[str, int], float] = {}

    def of(self, name: str, size: int) -> float:
        """The gap by kind of link, or `turn`, in seconds."""
        if (name, size) not in self._known:
            self._known[name, size] = self._tables[name](size)
        return self._known[name, size]


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


def _runs(
    breaks: Bools, flow: Ints, kind: Ints, pushes: Bools, heads: Bools, run_of: Ints, half: Ints
) -> tuple[Ints, Floats]:
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
    return run_i, np.zeros(len(firsts))


def _calls(
    program: Program,
    constants: FabricConstants,
    gaps: _Gaps,
    size: Ints,
    kind: Ints,
    src: Ints,
    engine: Ints,
    run_of: Ints,
) -> tuple[Ints, Floats]:
    first, last = program.call_first_copy[:-1], program.call_first_copy[1:]
    batched = program.call_issue == BATCH
    call_i = np.zeros((len(first), c.CALL_INTS), dtype=np.int64)
    call_i[:, c.C_ENGINE] = engine
    call_i[:, c.C_FIRST_RUN] = run_of[first]
    call_i[:, c.C_LAST_RUN] = run_of[last - 1] + 1
    # A single barrier holds nothing up.
    call_i[:, c.C_BARRIER] = program.call_barrier if program.call_barrier.max(initial=0) > 0 else -1
    call_i[:, c.C_RETURNS] = constants.host_batch_waits & batched & (src[first] == HOST)
    call_f = np.zeros((len(first), c.CALL_FLOATS))
    names = [LINK_KINDS[number] for number in kind[first].tolist()]
    call_f[:, c.C_FIXED_S] = [constants.timing[name].fixed_s for name in names]
    call_f[:, c.C_GAP_S] = [gaps.of(name, bytes_) for name, bytes_ in zip(names, size[first].tolist(), strict=True)]
    copies, one, costs = (last - first).astype(np.float64), np.ones(len(first)), constants.issue_costs
    call_f[:, c.C_COST_S] = np.where(batched, costs.of(one, copies, batched=True), costs.of(one, copies, batched=False))
    return call_i, call_f
