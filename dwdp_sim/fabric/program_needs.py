"""Which constants of a cluster a program needs, as far as the program itself decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dwdp_sim.fabric.resources import bytes_by_resource, most_readers
from dwdp_sim.plan.copy_plan import BATCH
from dwdp_sim.plan.endpoints import LINK_KINDS, goes_over, link_kinds
from dwdp_sim.plan.program import Program, batch_spans_sources


@dataclass(frozen=True)
class ProgramNeeds:
    """What decides which constants running a program takes.

    Attributes:
        rates: Names of the rates of the links that it uses (`FabricConstants.rates`).
        kinds: Kinds of its copies' links.
        both_ways: Whether bytes leave and enter the same GPU.
        spans_sources: Whether some batch is over several sources.
        readers: To how many GPUs the bytes of the busiest source go.
        issued: Whether the host issues some calls while the clock runs.
        batches: Whether some call is a batch.
        gaps: Whether an engine may run several calls, or a batch with a turn: then something has a gap.
        turns: Whether neighbours in some batch go over different links or in different directions.
        barriers: Whether calls wait at barriers.
    """

    rates: tuple[str, ...]
    kinds: tuple[str, ...]
    both_ways: bool
    spans_sources: bool
    readers: int
    issued: bool
    batches: bool
    gaps: bool
    turns: bool
    barriers: bool

    @classmethod
    def of(cls, program: Program) -> Self:
        """Look through the copies of `program`."""
        resources = bytes_by_resource(program)
        leaving, arriving = ({gpu for name, gpu, _ in resources if name == side} for side in ("egress", "ingress"))
        turns = _turns(program)
        calls_by_gpu = np.bincount(program.stream_gpu[program.call_stream])
        return cls(
            rates=tuple(dict.fromkeys(resource[0] for resource in resources)),
            kinds=tuple(k for k in LINK_KINDS if goes_over(k, program.copy_src, program.copy_dst).any()),
            both_ways=bool(leaving & arriving),
            spans_sources=batch_spans_sources(program),
            readers=most_readers(program),
            issued=not program.stream_queued.all(),
            batches=bool((program.call_issue == BATCH).any()),
            gaps=turns or bool((calls_by_gpu > 1).any()),
            turns=turns,
            barriers=bool((program.call_barrier >= 0).any()),
        )


def _turns(program: Program) -> bool:
    inward = program.copy_dst == program.copy_gpu
    way = 2 * link_kinds(program.copy_src, program.copy_dst) + inward
    same_batch = (program.copy_call[1:] == program.copy_call[:-1]) & (
        program.call_issue[program.copy_call[1:]] == BATCH
    )
    return bool((same_batch & (way[1:] != way[:-1])).any())
