"""Build the program that a case runs: one stream for each pulling rank."""

from __future__ import annotations

from dwdp_hw.cases.case import Case
from dwdp_sim.plan.program import Program, program_from_plan


def case_program(case: Case) -> Program:
    """Return what the ranks of `case` copy in a layer; ranks that only serve have no stream."""
    if case.home != "peer":
        return program_from_plan(case.plan, issue_mode=case.issue_mode, home=case.home, ranks=len(case.ranks))
    whole = program_from_plan(case.plan, issue_mode=case.issue_mode, start_s=case.start_s or None)
    return Program.build(whole.num_gpus, [whole.streams[rank] for rank in case.ranks])
