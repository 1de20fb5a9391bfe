"""Write into the engine's tables what constants decide; all else in them follows from the program and the options."""

from __future__ import annotations

import numpy as np

from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.plan_tables import TURN, PlanTables
from dwdp_sim.fabric.compiled.state import State
from dwdp_sim.fabric.fabric_constants import FabricConstants, gap_in
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.plan.endpoints import LINK_KINDS

_REFILLS = {"oldest": c.OLDEST, "any": c.ANY, "bytes": c.BYTES}
_BY_GPU = ("egress", "ingress", "local", "host_in", "host_out")  # resources in the order of the table, then pairs


def set_constants(state: State, plan: PlanTables, constants: FabricConstants, options: FabricOptions) -> None:
    """Set the constants in a state that has none yet.

    Args:
        state: From `tables.empty_state`.
        plan: The program's tables, with which it was built; for as many `batch_engines` as `constants` say.
        constants: From `constants_for`.
        options: With which the state was built.
    """
    _set_links(state, constants)
    _set_times(state, plan, constants)
    ints, floats = state.ints, state.floats
    ints[c.REFILL], ints[c.PLACES] = _REFILLS[constants.refill], constants.in_flight_sources
    ints[c.ENGINES_A_BATCH] = constants.batch_engines
    ints[c.LOSES] = options.incast != "off" and any(min(of) < 1.0 for of in constants.incast.values())
    floats[c.GAP_FACTOR], floats[c.WINDOW_BYTES] = constants.both_ways_gap_factor, constants.in_flight_bytes
    floats[c.BARRIER_S], floats[c.EVENT_S] = constants.barrier_s, constants.event_s


def _set_links(state: State, constants: FabricConstants) -> None:
    rates, kinds = constants.rates, np.bincount(state.use_i[:, c.R_KIND], minlength=c.OTHER + 1)
    names = (*_BY_GPU, "pair", "push")
    counts = [len(state.gpu_i)] * len(_BY_GPU) + [kinds[c.PAIR], kinds[c.PUSHED]]
    by_resource = np.repeat([rates.get(name, 0.0) for name in names], counts)
    state.use_f[:-1, c.R_RATE] = state.use_f[:-1, c.R_CAP] = by_resource  # the last one is none
    egress, ingress, pair = (rates.get(name, 0.0) for name in ("egress", "ingress", "pair"))
    state.ints[c.PAIRS_IDLE] &= pair >= max(egress, ingress)
    if state.ints[c.PAIRS_IDLE]:  # flows of pairs whose cap never binds do not use it
        state.flow_i[state.flow_i[:, c.F_PEER] == 1, c.F_USES] = 2
    state.alone[:] = _alone(constants, len(state.alone) // 2)
    state.gamma[:] = [constants.incast[kind] for kind in ("pull", "push")]
    state.both[:] = [[of["pull"], of["push"]] for of in (constants.both_ways_egress, constants.both_ways_ingress)]


def _alone(constants: FabricConstants, most: int) -> Floats:
    """The rate that an engine has alone with 0, 1, … pulls, and then with pushes, between GPUs."""
    rates = constants.rates
    found = np.zeros((2, most))
    if "egress" not in rates:
        return found.reshape(-1)
    egress, ingress, pair, push = (rates.get(name, np.inf) for name in ("egress", "ingress", "pair", "push"))
    for count in range(1, most):
        for kind, each in ((0, min(egress, ingress / count, pair)), (1, min(egress / count, ingress, pair, push))):
            found[kind, count] = sum([each] * count)
    return found.reshape(-1)


def _set_times(state: State, plan: PlanTables, constants: FabricConstants) -> None:
    """Fixed parts, gaps, and what calls cost the host."""
    tables = {kind: timing.gap_s for kind, timing in constants.timing.items()} | {TURN: constants.turn_gap_s}
    gaps = np.array([gap_in(tables[name], size) for name, size in plan.gaps] + [0.0])  # the last is for those without
    fixed_s = np.array([constants.timing[k].fixed_s if k in constants.timing else 0.0 for k in LINK_KINDS])
    one, costs = np.ones(len(plan.call_gap)), constants.issue_costs
    batches_s, singles_s = (costs.of(one, plan.call_copies, batched=batched) for batched in (True, False))
    state.run_gap_s[:] = gaps[plan.run_gap]
    state.call_f[:, c.C_FIXED_S] = fixed_s[plan.call_kind]
    state.call_f[:, c.C_GAP_S] = gaps[plan.call_gap]
    state.call_f[:, c.C_COST_S] = np.where(plan.call_batched, batches_s, singles_s)
    state.call_i[:, c.C_RETURNS] = constants.host_batch_waits & plan.call_from_host
