"""The program that a case runs: one stream for each pulling rank."""

from __future__ import annotations

import numpy as np

from dwdp_hw.cases.case import Case
from dwdp_sim.plan.program import Program, program_from_plan


def case_program(case: Case) -> Program:
    """What the ranks of `case` do in a layer, for the simulator and the row; ranks that only serve have no stream."""
    if case.home != "peer":
        return program_from_plan(case.plan, issue_mode=case.issue_mode, home=case.home, ranks=len(case.ranks))
    whole = program_from_plan(case.plan, issue_mode=case.issue_mode, start_s=case.start_s or None)
    calls = np.isin(whole.call_stream, case.ranks)
    copies = calls[whole.copy_call]
    return Program(
        num_gpus=whole.num_gpus,
        stream_gpu=whole.stream_gpu[list(case.ranks)],
        stream_start_s=whole.stream_start_s[list(case.ranks)],
        stream_queued=whole.stream_queued[list(case.ranks)],
        call_stream=np.searchsorted(case.ranks, whole.call_stream[calls]).astype(np.int64),
        call_issue=whole.call_issue[calls],
        call_barrier=whole.call_barrier[calls],
        call_first_copy=np.r_[0, np.cumsum(np.diff(whole.call_first_copy)[calls])].astype(np.int64),
        copy_src=whole.copy_src[copies],
        copy_dst=whole.copy_dst[copies],
        copy_bytes=whole.copy_bytes[copies],
    )
