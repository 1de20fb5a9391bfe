"""What is simulated: one layer of DeepSeek-R1 NVFP4 over a crossbar, by ranks, size of slices, and pace of the ranks.

All links have one rate and no losses, a rank has two slices in flight, and its engine has neither gaps nor fixed parts:
that much SimGrid and a plain script can do as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.constant import Constant
from dwdp_sim.fabric.fabric_constants import FabricConstants, constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.kinds import BATCHED
from dwdp_sim.plan.program import Program, program_from_plan
from dwdp_sim.plan.strategy import Strategy

RATE = 400e9  # bytes per second of every link
MIB = 2**20
RANKS = (2, 4, 8, 16, 36, 72)
SLICE_BYTES = (MIB // 4, MIB, 2 * MIB, 4 * MIB, 16 * MIB)
USUAL_SLICE_BYTES = 2 * MIB
APART = 2.0  # ranks out of step start within the time of so many slices, so that they contend from the first ones on
OPTIONS = FabricOptions(incast="off", both_ways=False)
MODEL = MoEModel("deepseek_r1", 7168, 2048, 256, 8, 61, 58, "nvfp4")
EXPERT_BYTES = (14680064, 7340032, 1835008, 917504, 4, 4)  # of each parameter of an expert
CONSTANTS = {
    "egress_bytes_per_s": RATE, "ingress_bytes_per_s": RATE, "pair_bytes_per_s": RATE, "peer_fixed_s": 0.0,
    "peer_gap_s": [[1, 0.0]], "in_flight_sources": 2, "refill": "oldest", "batch_engines": 1, "event_s": 1e-6,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """The prefetch of one layer.

    Attributes:
        ranks: Of the group.
        slice_bytes: Largest copy.
        in_step: Whether all ranks start at once; they stay alike then.
    """

    ranks: int
    slice_bytes: int
    in_step: bool

    @property
    def pace(self) -> str:
        """How the ranks run, in words."""
        return "in step" if self.in_step else "out of step"

    @property
    def slices(self) -> int:
        """How many slices the layer must have: worked out by hand, not by what makes the plan."""
        pulled = MODEL.num_experts // self.ranks
        of_a_pull = sum(-(-pulled * size // self.slice_bytes) for size in EXPERT_BYTES)
        return self.ranks * (self.ranks - 1) * of_a_pull


def all_cases() -> list[Case]:
    """Every combination."""
    return [Case(*values) for values in product(RANKS, SLICE_BYTES, (True, False))]


def layer(case: Case) -> Program:
    """The program of a case, with as many slices as it must have."""
    apart_s = 0.0 if case.in_step else APART * case.slice_bytes / RATE
    starts_s = np.random.default_rng(1).uniform(0.0, apart_s, case.ranks)
    strategy = Strategy(BATCHED, slice_bytes=case.slice_bytes)
    plan = build_plan(MODEL, Placement.create(MODEL.num_experts, case.ranks), strategy)
    program = program_from_plan(plan, start_s=(starts_s - starts_s.min()).tolist())
    assert len(program.copy_bytes) == case.slices, f"{case}: {len(program.copy_bytes)} slices, not {case.slices}"
    return program


def first_slices(program: Program, count: int) -> Program:
    """The first slices of every rank."""
    streams = [
        replace(s, src=s.src[:count], bytes=s.bytes[:count], dst=s.dst[:count], call_copies=np.array([count]))
        for s in program.streams
        if not isinstance(s.src, int) and not isinstance(s.bytes, int) and not isinstance(s.dst, int)
    ]
    return Program.build(program.num_gpus, streams)


def at_most(program: Program, slices: int, least: int = 6) -> Program:
    """The program, or the first slices of each rank, so many of all ranks and `least` of each."""
    if len(program.copy_bytes) <= slices:
        return program
    return first_slices(program, max(least, slices // program.num_gpus))


def constants(program: Program, *, in_steps: bool = False) -> FabricConstants:
    """Of the crossbar."""
    found = {name: Constant(value, "", "assumed", "") for name, value in CONSTANTS.items()}
    return constants_for(
        Cluster("benchmark", "", max(RANKS), "ipc", "peer", found), program, OPTIONS, in_steps=in_steps
    )
