"""Build the state of the compiled engine from a program, constants and options."""

from __future__ import annotations

from typing import Any

import numpy as np

from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.fabric.blame import ends_of
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.constant_tables import set_constants
from dwdp_sim.fabric.compiled.plan_tables import PlanTables, plan_tables
from dwdp_sim.fabric.compiled.state import State
from dwdp_sim.fabric.compiled.step_input import StepInput
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.plan.endpoints import LINK_KINDS
from dwdp_sim.plan.program import Program

_KNOWN_SETS = 1 << 15
_LOG = 1 << 16
_LEVELS = 1 << 12  # places for distinct levels at which resources are full
MOST_REMEMBERED = 24  # flows of a run whose solved sets are remembered; with more, few sets come again
_OUTGOING_STEPS = 1024  # steps whose bytes may wait to be taken away
_WINDOWS = ("lead_s", "before_s", "moe_s", "lost_before", "lost_moe")
_PEER, _LOCAL = LINK_KINDS.index("peer"), LINK_KINDS.index("local")


def build_state(
    program: Program,
    order: Ints,
    constants: FabricConstants,
    options: FabricOptions,
    steps: StepInput | None = None,
    *,
    recorded_s: tuple[float, float] | None = None,
    blame: bool = False,
) -> State:
    """Return the state before anything has happened.

    Args:
        program: What runs; with `steps`, the prefetch of one layer.
        order: Index in the program of the copy at each place of the execution.
        constants: From `constants_for`.
        options: Alternatives of the model.
        steps: Forward steps around the program.
        recorded_s: From when to when the log for `recorder` is wanted; None for never.
        blame: Whether what prefetches lose is added up.
    """
    plan = plan_tables(program, order, constants.batch_engines)
    state = empty_state(program, plan, options, steps, recorded_s=recorded_s, blame=blame)
    set_constants(state, plan, constants, options)
    if steps is None:
        set_starts(state, program.stream_start_s)
    else:
        set_steps(state, steps)
    return state


def empty_state(
    program: Program,
    plan: PlanTables,
    options: FabricOptions,
    steps: StepInput | None = None,
    *,
    recorded_s: tuple[float, float] | None = None,
    blame: bool = False,
) -> State:
    """Return the state before constants, starts and compute windows are set.

    Arguments as of `build_state`, and the program's tables; of `steps`, all but starts and windows count.
    """
    copied = ("copy_flow", "copy_size", "copy_next", "copy_next_own", "copy_half", "run_i", "run_heads", "call_i")
    tables: dict[str, Any] = {name: getattr(plan, name) for name in copied}
    tables |= {"run_gap_s": np.zeros(len(plan.run_gap)), "call_f": np.zeros((len(plan.call_gap), c.CALL_FLOATS))}
    copies = len(plan.copy_flow)
    tables |= {"behind": _minus_one(copies), "queued": _minus_one(copies if options.sharing == "fifo" else 0)}
    tables |= {"copy_start_s": np.zeros(copies), "copy_end_s": np.zeros(copies)}
    tables |= _links(program, plan)
    tables |= _engines(program, plan)
    ring = 1 if steps is None else 4 * steps.moe_s.shape[2] + 2 * steps.slots + 8
    tables |= _streams(program, steps, ring)
    tables |= _barriers(plan, ring)
    tables |= _steps(steps, ring)
    tables |= {"gamma": np.ones((2, 4)), "both": np.ones((2, 2))}
    tables |= _run(program, plan, options, steps, ring)
    tables["ints"][c.PAIRS_IDLE] = options.incast != "demand" and _each_pair_has_one_pull(plan)
    tables |= _watching(program, plan, tables, recorded_s, steps if blame else None)
    ranks, streams = len(tables["rank_i"]), len(program.stream_gpu)
    events = 64 + 4 * (len(plan.engine_gpu) + streams + program.num_gpus) + ranks * (16 + 2 * ring)
    tables |= {"queue_s": np.zeros(events), "queue_seq": _zeros(events), "queue_what": _zeros(events)}
    return State(**{name: np.ascontiguousarray(tables[name]) for name in State._fields})


def _zeros(*shape: int) -> Ints:
    return np.zeros(shape, dtype=np.int64)


def _minus_one(*shape: int) -> Ints:
    return np.full(shape, -1, dtype=np.int64)


def _each_pair_has_one_pull(plan: PlanTables) -> bool:
    """Whether each pair of GPUs has one flow at most, a pull: then a cap as high as those of its ends never binds."""
    peer = plan.flow_kind == _PEER
    pairs = list(zip(plan.flow_src[peer].tolist(), plan.flow_dst[peer].tolist(), strict=True))
    return len(pairs) == len(set(pairs)) and not (peer & (plan.flow_gpu == plan.flow_src)).any()


def _links(program: Program, plan: PlanTables) -> dict[str, Any]:
    """Flows, resources, and the flows that move."""
    gpus, flows = program.num_gpus, len(plan.flow_src)
    src, dst, kind = plan.flow_src, plan.flow_dst, plan.flow_kind
    peer, push = kind == _PEER, plan.flow_gpu == plan.flow_src
    pair_key, pushed_key = src * gpus + dst, np.where(peer & push, src * gpus + dst, -1)
    pairs, pushed = np.unique(pair_key[peer]), np.unique(pushed_key[pushed_key >= 0])
    first_pair = 5 * gpus
    first_pushed = first_pair + len(pairs)
    size = first_pushed + len(pushed)  # the last one is none: what a flow of one resource has for another
    flow_i = _zeros(flows, c.FLOW_INTS)
    for column, values in (
        (c.F_ENGINE, plan.flow_engine), (c.F_GPU, plan.flow_gpu), (c.F_SRC, src), (c.F_DST, dst), (c.F_PUSH, push),
        (c.F_PEER, peer), (c.F_POS, -1), (c.F_HEAD, -1),
        (c.F_USES, np.where(peer, np.where(push, 4, 3), 1)),
    ):  # fmt: skip
        flow_i[:, column] = values
    other = np.where(kind == _LOCAL, 2 * gpus + src, np.where(src < 0, 3 * gpus + dst, 4 * gpus + src))
    flow_i[:, c.F_RES] = np.where(peer, src, other)
    flow_i[:, c.F_RES + 1] = np.where(peer, gpus + dst, size)
    flow_i[:, c.F_RES + 2] = np.where(peer, first_pair + np.searchsorted(pairs, pair_key), 0)
    flow_i[:, c.F_RES + 3] = np.where(peer & push, first_pushed + np.searchsorted(pushed, pushed_key), 0)
    use_i, use_f = _zeros(size + 1, c.RESOURCE_INTS), np.zeros((size + 1, c.RESOURCE_FLOATS))
    for place, number in enumerate((c.EGRESS, c.INGRESS, c.OTHER, c.OTHER, c.OTHER)):
        rows = slice(place * gpus, (place + 1) * gpus)
        use_i[rows, c.R_KIND], use_i[rows, c.R_END] = number, np.arange(gpus)
    for number, rows, keys in (
        (c.PAIR, slice(first_pair, first_pushed), pairs), (c.PUSHED, slice(first_pushed, size), pushed),
    ):  # fmt: skip
        use_i[rows, c.R_KIND], use_i[rows, c.R_END] = number, keys // max(gpus, 1)
    used = np.concatenate([flow_i[flow_i[:, c.F_USES] > j, c.F_RES + j] for j in range(4)])
    users = np.bincount(used, minlength=size)
    use_i[:size, c.R_BASE] = np.cumsum(users) - users
    use_i[size, c.R_QUEUED] = 1  # it is never looked at
    most = int(np.bincount(plan.flow_engine, minlength=1).max(initial=0)) + 1
    known = min(_KNOWN_SETS, 4 << flows) if 0 < flows <= MOST_REMEMBERED else 0
    use_f[:, c.R_RAW] = np.inf
    return {
        "flow_i": flow_i, "use_i": use_i, "use_f": use_f, "users": _zeros(len(used)), "partners": _minus_one(len(used)),
        "share_of": np.full(size + 1, np.inf), "rate_of": np.zeros(flows),
        "active": _zeros(flows),
        **{name: np.zeros(flows) for name in ("left", "counted", "rate", "whole", "tie_s", "due_s")},
        "alone": np.zeros(2 * most),
        "known_key": _zeros(known), "known_row": _zeros(known), "known_rates": np.zeros(known * flows // 2),
        "work": _zeros(4 * len(use_i) + flows + len(plan.engine_gpu)), "gpu_i": _gpus(gpus),
        "gpu_f": np.ones((gpus, c.GPU_FLOATS)), "shares": np.zeros(_LEVELS), "share_n": _zeros(_LEVELS),
        "share_near": _minus_one(_LEVELS), "share_used": _zeros(_LEVELS),
        "dirty_gpus": _zeros(gpus), "todo": _zeros(size), "changed": _zeros(size), "new_flows": _zeros(flows),
        "bounds": np.zeros(int(users.max(initial=0)) + 1),
    }  # fmt: skip


def _gpus(gpus: int) -> Ints:
    gpu_i = _zeros(gpus, c.GPU_INTS)
    gpu_i[:, [c.G_HEAD, c.G_TAIL, c.G_HOST_HEAD, c.G_HOST_TAIL]] = -1
    return gpu_i


def _engines(program: Program, plan: PlanTables) -> dict[str, Any]:
    engines = len(plan.engine_gpu)
    own = np.bincount(plan.flow_engine, minlength=engines)
    engine_i, engine_f = _zeros(engines, c.ENGINE_INTS), np.zeros((engines, c.ENGINE_FLOATS))
    engine_i[:, c.E_STREAM] = -1
    engine_i[:, c.E_GPU] = plan.engine_gpu
    engine_i[:, c.E_FIRST_FLOW] = np.cumsum(own) - own
    engine_f[:, c.E_FREE_S] = np.nan
    window_i = _zeros(2 * engines, c.WINDOW_INTS)
    window_i[:, c.W_NEXT] = -1
    window_i[:, c.W_BASE] = np.arange(2 * engines) * 0 + np.repeat(2 * (np.cumsum(own) - own), 2)
    window_i[1::2, c.W_BASE] += own
    streams = int(np.bincount(program.stream_gpu).max(initial=1)) if len(program.stream_gpu) else 1
    return {
        "engine_i": engine_i, "engine_f": engine_f, "own_flows": _zeros(len(plan.flow_src) + 1),
        "dirty": _zeros(engines),
        "pending": _zeros(engines * streams), "window_i": window_i, "heads": _zeros(2 * len(plan.flow_src)),
    }  # fmt: skip


def _streams(program: Program, steps: StepInput | None, ring: int) -> dict[str, Any]:
    streams = len(program.stream_gpu)
    calls = np.bincount(program.call_stream, minlength=streams)
    stream_i, stream_f = _zeros(streams, c.STREAM_INTS), np.zeros((streams, c.STREAM_FLOATS))
    stream_i[:, c.S_GPU] = program.stream_gpu
    stream_i[:, c.S_CALLS] = calls
    stream_i[:, c.S_FIRST_CALL] = np.cumsum(calls) - calls
    stream_i[:, c.S_QUEUED] = program.stream_queued
    stream_i[:, c.S_RETURN_AT] = -1
    places = calls.copy()
    if steps is not None:
        ranks = len(steps.start_s)
        by_layer = program.stream_queued | (np.arange(streams) >= ranks)
        stream_i[:, c.S_BY_LAYER] = by_layer
        places = np.where(np.arange(streams) < ranks, np.where(by_layer, ring, ring * calls), _OUTGOING_STEPS)
    stream_i[:, c.S_ISSUE_RING] = np.maximum(places, 1)
    stream_i[:, c.S_ISSUE_BASE] = np.cumsum(places) - places
    return {"stream_i": stream_i, "stream_f": stream_f, "issue_s": np.zeros(int(places.sum()) + 1)}


def _barriers(plan: PlanTables, ring: int) -> dict[str, Any]:
    barriers = plan.call_i[:, c.C_BARRIER]
    count = int(barriers.max(initial=-1)) + 1
    calls = np.bincount(barriers[barriers >= 0], minlength=count)
    barrier_i = _zeros(ring * count, c.BARRIER_INTS)
    barrier_i[:, c.B_LEFT] = np.tile(calls, ring)
    barrier_i[:, c.B_HEAD] = -1
    return {
        "barrier_i": barrier_i, "barrier_s": np.full(ring * count, np.nan), "barrier_calls": calls,
        "barrier_layer": _minus_one(ring),
    }  # fmt: skip


def _steps(steps: StepInput | None, ring: int) -> dict[str, Any]:
    ranks = 0 if steps is None else len(steps.start_s)
    rank_i, rank_f = _zeros(ranks, c.RANK_INTS), np.zeros((ranks, c.RANK_FLOATS))
    rank_i[:, c.K_HOST_WAITS] = 1
    rank_i[:, [c.K_LAUNCH_WAITS, c.K_FETCH_WAITS]] = -1
    ring_f = np.zeros((ranks * ring, c.RING_FLOATS))
    ring_f[:, c.Q_SLOT_S] = np.nan
    empty = np.zeros(0)
    tables = {"rank_i": rank_i, "rank_f": rank_f, "ring_i": _zeros(ranks * ring, c.RING_INTS), "ring_f": ring_f}
    if steps is None:
        return tables | dict.fromkeys((*_WINDOWS, "step_s", "layer_s"), empty)
    windows = {name: np.zeros(getattr(steps, name).size) for name in _WINDOWS}
    return tables | windows | {
        "step_s": np.full(3 * steps.lead_s.size, np.nan), "layer_s": np.full(11 * steps.moe_s.size, np.nan)
    }  # fmt: skip


def _watching(
    program: Program,
    plan: PlanTables,
    tables: dict[str, Any],
    recorded_s: tuple[float, float] | None,
    blamed: StepInput | None,
) -> dict[str, Any]:
    """The log of rates, and what prefetches lose."""
    ints, width = tables["ints"], ends_of(program)
    ints[c.RECORDS], ints[c.BLAMES], ints[c.WIDTH] = recorded_s is not None, blamed is not None, width
    tables["floats"][[c.RECORD_FROM_S, c.RECORD_UNTIL_S]] = recorded_s or (0.0, 0.0)
    log = 0 if recorded_s is None else _LOG + 8 * len(plan.flow_src)
    lost = 0 if blamed is None else blamed.moe_s.size * width * width
    return {"log": _zeros(log), "log_value": np.zeros(log), "log_alone": np.zeros(log), "lost_s": np.zeros(lost)}


def _run(
    program: Program, plan: PlanTables, options: FabricOptions, steps: StepInput | None, ring: int
) -> dict[str, Any]:
    """What holds for the run as a whole."""
    ints, floats = _zeros(c.GLOBAL_INTS), np.zeros(c.GLOBAL_FLOATS)
    for place, value in {
        c.FIFO: options.sharing == "fifo", c.EQUAL: options.sharing == "equal", c.DEMAND: options.incast == "demand",
        c.BOTH_WAYS: options.both_ways, c.BARRIERS: int(plan.call_i[:, c.C_BARRIER].max(initial=-1)) + 1,
        c.STREAMS: len(program.stream_gpu), c.GPUS: program.num_gpus, c.ENGINES: len(plan.engine_gpu),
        c.FLOWS: len(plan.flow_src), c.RING: ring,
        c.RIPPLES: len(plan.flow_src) > MOST_REMEMBERED and options.sharing != "equal" and options.incast != "demand",
    }.items():  # fmt: skip
        ints[place] = value
    if steps is not None:
        ranks, iterations, layers = steps.moe_s.shape
        for place, value in {
            c.RANKS: ranks, c.ITERATIONS: iterations, c.LAYERS: layers, c.SLOTS: steps.slots, c.AHEAD: steps.ahead,
            c.CARRY_OVER: steps.carry_over, c.GOES_ON: steps.goes_on,
        }.items():  # fmt: skip
            ints[place] = value
        floats[c.LAUNCH_S] = steps.launch_s
    return {"ints": ints, "floats": floats}


def set_starts(state: State, start_s: Floats) -> None:
    """Let the streams of a program start at `start_s`, in a state before anything has happened."""
    state.stream_f[:, c.S_FREE_S] = start_s
    _schedule(state, start_s, c.ON_STREAM)


def set_steps(state: State, steps: StepInput) -> None:
    """Give the ranks of forward steps their starts and compute windows, in a state before anything has happened."""
    ranks, streams = len(steps.start_s), len(state.stream_f)
    state.stream_f[:ranks, c.S_FREE_S] = steps.start_s
    state.stream_f[ranks : 2 * ranks, c.S_FREE_S] = steps.start_s[: max(streams - ranks, 0)]
    state.rank_f[:, c.K_PREVIOUS_END_S] = steps.start_s
    state.floats[c.LOST_LEAD] = steps.lost_lead
    for name in _WINDOWS:
        getattr(state, name)[:] = getattr(steps, name).reshape(-1)
    _schedule(state, steps.start_s, c.ON_RANK)


def _schedule(state: State, at_s: Floats, what: int) -> None:
    """Put one event for each stream, or rank, into the empty event queue: sorted by time, which is a heap."""
    count, order = len(at_s), np.argsort(at_s, kind="stable")
    state.queue_s[:count] = at_s[order]
    state.queue_seq[:count] = order + 1
    state.queue_what[:count] = what | order << 8
    state.ints[c.HEAP_N] = state.ints[c.SEQ] = count
