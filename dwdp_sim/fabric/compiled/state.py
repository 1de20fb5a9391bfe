"""All that the compiled engine knows, as arrays: tables of the program, and where everything stands."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dwdp_sim.base.arrays import Floats, Ints


class State(NamedTuple):
    """Tables by entity; `columns` names their columns (`flow_i[f, F_ENGINE]`), and `tables` fills them.

    Attributes:
        ints, floats: Of the run as a whole.
        queue_s, queue_seq, queue_what: The event queue, a binary heap by time and order of scheduling.
        flow_i: Flows.
        use_i, use_f: Resources; the flows of each that move are in `users`, from `use_i[r, R_BASE]` on.
        partners: The other resource of each of them, if no flow uses more than two; `share_of`: the level at which
            each is full.
        active: Flows that move, in any order, with bytes left (`left`; `counted` when their engine's time was last
            added up), rate, bytes at first (`whole`), seconds within which the copy is complete (`tie_s`), and seconds
            to go (`due_s`).
        rate_of: Rates as solved, by flow.
        engine_i, engine_f: Copy engines; `own_flows[e]` their flows that move, rising; `pending[e]` the streams whose
            head is for them.
        dirty: Engines whose rates have changed since they were summed.
        window_i, heads: Windows of batches, and the heaps of those that refill from any source.
        stream_i, stream_f: Streams; `issue_s` when each of their calls was issued.
        call_i, call_f, run_i, run_gap_s, run_heads: Calls, and the runs that they consist of.
        copy_flow, copy_size, copy_next, copy_next_own, copy_half: Copies: their flow and bytes; the next of the flow
            in the run; the next of the same half; which half.
        behind: Links of lists of copies that wait for their flow; `queued`: for a first-in-first-out source.
        copy_start_s, copy_end_s: When they moved.
        barrier_i, barrier_s: Barriers: calls left, and the streams that wait; when each opened. `barrier_calls` of each
            in a layer; `barrier_layer` whose layer's they are.
        gpu_i, gpu_f: GPUs: peers' flows that leave and arrive, their hosts, their queues.
        gamma, both: Factors of incast by kind and readers; of both ways by direction and kind.
        known_key, known_row, known_rates: Solved sets of flows, a hash table, and their rates.
        work: Scratch for whole numbers.
        rank_i, rank_f: Ranks of forward steps; `ring_i`, `ring_f` their layers under way.
        lead_s, before_s, moe_s, lost_before, lost_moe: Compute windows, and what copies take of them.
        step_s, layer_s: The timeline of steps.
        dirty_gpus, new_flows: GPUs whose flows have changed, and flows that have begun, since rates were solved.
        todo, changed, bounds: Resources to look at; resources whose level has changed; scratch.
        shares, share_n, share_near, share_used: Distinct levels at which resources are full, a hash table: how many
            resources have each, which other level is close; the places in use.
        log, log_value, log_alone: What `recorder` reads: `SETTLED` and when rates were settled, then each flow that
            moves, its rate and what it would be alone.
        lost_s: As in `blame.Blame`.
    """

    ints: Ints
    floats: Floats
    queue_s: Floats
    queue_seq: Ints
    queue_what: Ints
    flow_i: Ints
    use_i: Ints
    use_f: Floats
    users: Ints
    partners: Ints
    share_of: Floats
    active: Ints
    left: Floats
    counted: Floats
    rate: Floats
    whole: Floats
    tie_s: Floats
    due_s: Floats
    rate_of: Floats
    engine_i: Ints
    engine_f: Floats
    alone: Floats
    own_flows: Ints
    pending: Ints
    dirty: Ints
    window_i: Ints
    heads: Ints
    stream_i: Ints
    stream_f: Floats
    issue_s: Floats
    call_i: Ints
    call_f: Floats
    run_i: Ints
    run_gap_s: Floats
    run_heads: Ints
    copy_flow: Ints
    copy_size: Ints
    copy_next: Ints
    copy_next_own: Ints
    copy_half: Ints
    behind: Ints
    queued: Ints
    copy_start_s: Floats
    copy_end_s: Floats
    barrier_i: Ints
    barrier_s: Floats
    barrier_calls: Ints
    barrier_layer: Ints
    gpu_i: Ints
    gpu_f: Floats
    gamma: Floats
    both: Floats
    known_key: Ints
    known_row: Ints
    known_rates: Floats
    work: Ints
    rank_i: Ints
    rank_f: Floats
    ring_i: Ints
    ring_f: Floats
    lead_s: Floats
    before_s: Floats
    moe_s: Floats
    lost_before: Floats
    lost_moe: Floats
    step_s: Floats
    layer_s: Floats
    dirty_gpus: Ints
    todo: Ints
    changed: Ints
    new_flows: Ints
    bounds: Floats
    shares: Floats
    share_n: Ints
    share_near: Ints
    share_used: Ints
    log: Ints
    log_value: Floats
    log_alone: Floats
    lost_s: Floats


def addresses(state: State) -> Ints:
    """Return the address and the length of each table, as compiled functions want them."""
    for table in state:
        assert table.flags.c_contiguous
        assert table.dtype in (np.int64, np.float64)
    return np.array([[table.__array_interface__["data"][0], len(table)] for table in state], dtype=np.int64).reshape(-1)
