"""The lower bound of a prefetch: no schedule is faster than the busiest link at its best rate."""

from __future__ import annotations

import numpy as np

from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.plan.program import HOST, Program


def lower_bound_s(program: Program, constants: FabricConstants) -> float:
    """Return the largest bytes ÷ capacity of any resource, ignoring incast, both-ways loss, gaps and the host."""
    src, dst, size = program.copy_src, program.copy_dst, program.copy_bytes.astype(np.float64)
    peer = (src != dst) & (src != HOST) & (dst != HOST)
    pushed = peer & (src == program.stream_gpu[program.call_stream[program.copy_call]])
    keys = {
        "egress": (src, peer),
        "ingress": (dst, peer),
        "pair": (src * program.num_gpus + dst, peer),
        "push": (src * program.num_gpus + dst, pushed),
        "host_in": (dst, src == HOST),
        "host_out": (src, dst == HOST),
        "local": (src, src == dst),
    }
    bounds = [
        np.bincount(key[chosen], weights=size[chosen]).max() / constants.rates[name]
        for name, (key, chosen) in keys.items()
        if chosen.any()
    ]
    return float(max(bounds, default=0.0))
