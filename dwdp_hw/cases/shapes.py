"""Build cases by what is pulled: a model's layer, equal pieces, or given bytes from chosen peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from dwdp_hw.cases.case import Case, Labels
from dwdp_sim.model.moe import MoEModel, Parameter
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.copy_plan import ASYNC, NO_BARRIER, CopyPlan
from dwdp_sim.plan.strategy import Strategy

KIB, MIB = 1 << 10, 1 << 20
R1 = ("deepseek_r1_nvfp4", 7168, 2048, "nvfp4")
V3_LITE = ("deepseek_v3_lite_nvfp4", 2560, 1536, "nvfp4")
GPT_OSS = ("gpt_oss_120b_mxfp4", 2880, 2880, "mxfp4")
SHRINK_ON_HOST = 256
"""What all sizes are divided by on host memory."""
_SHRUNK_SIDE = 16  # its square is SHRINK_ON_HOST

Shape = tuple[str, int, int, str]
"""A model's name, hidden size, intermediate size and weight format."""


def shrunken(shape: Shape, strategy: Strategy, shrink: int) -> tuple[Shape, Strategy]:
    """The shape and the strategy with all bytes divided by `shrink`: 1, or `SHRINK_ON_HOST` on host memory."""
    if shrink == 1:
        return shape, strategy
    name, hidden, inner, weight_format = shape
    sides = [side // _SHRUNK_SIDE // 32 * 32 for side in (hidden, inner)]  # so that every format can hold them
    return (name, sides[0], sides[1], weight_format), replace(
        strategy, slice_bytes=(strategy.slice_bytes or 0) // shrink or None
    )


def model_case(shape: Shape, pulled: int, ranks: int, strategy: Strategy) -> Case:
    """A layer of that shape of which each of `ranks` ranks holds `pulled` experts."""
    name, hidden, inner, weight_format = shape
    include = ("weight",) if weight_format == "mxfp4" else ("weight", "scale", "alpha")
    model = MoEModel(name, hidden, inner, pulled * ranks, 1, 1, 1, weight_format, include=include)
    plan = build_plan(model, Placement.create(model.num_experts, ranks), strategy)
    labels: Labels = {
        "model": name,
        "strategy": strategy.name,
        "implementation": strategy.implementation,
        "slice_bytes": strategy.slice_bytes,
    }
    return Case("", plan, labels, ranks=tuple(range(ranks)))


def pieces_case(name: str, pieces: int, piece_bytes: int, issue: int, ranks: int, pulling: Sequence[int]) -> Case:
    """Equal pieces, one after another, from the next rank; single copies or one batch."""
    pulls = {rank: ((rank + 1) % ranks,) for rank in pulling}
    return pulls_case(name, pulls, pieces * piece_bytes, [piece_bytes] * ranks, issue, ranks)


def pulls_case(
    name: str,
    pulls: Mapping[int, Sequence[int]],
    total_bytes: int,
    piece_bytes: Sequence[int],
    issue: int,
    ranks: int,
    *,
    interleaved: bool = False,
) -> Case:
    """The same number of bytes from each chosen peer, in pieces.

    Args:
        name: Of the case.
        pulls: Peers of each rank that pulls, in order.
        total_bytes: Pulled from each peer.
        piece_bytes: Size of the pieces, by rank; the last one of a peer may be shorter.
        issue: `ASYNC` for single copies, `BATCH` for one batch a rank.
        ranks: Of the group.
        interleaved: Whether the pieces of the peers take turns, instead of one peer after another.
    """
    placement = Placement.create(ranks, ranks)
    rows: list[tuple[int, int, int, int]] = []
    for rank, peers in sorted(pulls.items()):
        piece = piece_bytes[rank]
        offsets = range(0, total_bytes, piece)
        order = product(offsets, peers) if interleaved else ((o, p) for p, o in product(peers, offsets))
        rows += [(rank, peer, offset, min(piece, total_bytes - offset)) for offset, peer in order]
    rank, peer, offset, size = np.array(rows, dtype=np.int64).T
    pulling = sorted(pulls)
    call = np.arange(len(rank)) if issue == ASYNC else np.searchsorted(pulling, rank)
    calls = int(call.max()) + 1
    place = np.array([placement.remote_index(r, p) for r, p in zip(rank.tolist(), peer.tolist(), strict=True)])
    plan = CopyPlan(
        placement=placement,
        parameters=(Parameter("piece", "weight", (total_bytes,), 1),),
        copy_rank=rank,
        copy_call=call.astype(np.int64),
        copy_peer=peer,
        copy_parameter=np.zeros_like(rank),
        copy_src_offset=offset,
        copy_dst_offset=place * total_bytes + offset,
        copy_bytes=size,
        call_rank=rank if issue == ASYNC else np.array(pulling, dtype=np.int64),
        call_issue=np.full(calls, issue, dtype=np.int64),
        call_barrier=np.full(calls, NO_BARRIER, dtype=np.int64),
    )
    labels: Labels = {"model": None, "strategy": None, "implementation": None, "slice_bytes": max(piece_bytes)}
    sources = tuple(tuple(pulls.get(rank, ())) for rank in range(ranks))
    return Case(name, plan, labels, ranks=tuple(pulling), layers=1, repeats=9, sources=sources)
