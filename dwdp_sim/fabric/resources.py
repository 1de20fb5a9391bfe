"""What copies use of the fabric: the links, pairs and memories that they share, and how many GPUs read one source."""

from __future__ import annotations

import numpy as np

from dwdp_sim.base.arrays import Ints
from dwdp_sim.plan.endpoints import HOST, goes_over, link_kind
from dwdp_sim.plan.program import Program

Resource = tuple[str, int, int]
"""The name of its rate in `FabricConstants.rates`, and its endpoints; the second is 0 where it has only one."""


def resources(gpu: int, src: int, dst: int) -> tuple[Resource, ...]:
    """Return what a copy from `src` to `dst`, moved by an engine of `gpu`, uses; all of it limits the copy's rate."""
    kind = link_kind(src, dst)
    if kind == "local":
        return (("local", src, 0),)
    if kind == "host":
        return (("host_in", dst, 0),) if src == HOST else (("host_out", src, 0),)
    links: tuple[Resource, ...] = ("egress", src, 0), ("ingress", dst, 0), ("pair", src, dst)
    return (*links, ("push", src, dst)) if gpu == src else links


def bytes_by_resource(program: Program) -> dict[Resource, int]:
    """Return how many bytes of `program` go over each resource that it uses."""
    ends = np.stack([program.copy_gpu, program.copy_src, program.copy_dst])
    routes, route = np.unique(ends, axis=1, return_inverse=True)
    sizes = np.zeros(routes.shape[1], dtype=np.int64)
    np.add.at(sizes, route.reshape(-1), program.copy_bytes)
    found: dict[Resource, int] = {}
    for gpu, src, dst, size in zip(*routes.tolist(), sizes.tolist(), strict=True):
        for resource in resources(gpu, src, dst):
            found[resource] = found.get(resource, 0) + size
    return found


def most_readers(program: Program) -> int:
    """Return to how many other GPUs the bytes of the busiest source go; 0 if no copy goes between GPUs."""
    return _most_partners(program, program.copy_dst)


def most_engines_at_a_source(program: Program) -> int:
    """Return how many GPUs' engines take bytes from the busiest source, whether they pull or push them."""
    return _most_partners(program, program.copy_gpu)


def _most_partners(program: Program, partner: Ints) -> int:
    peer = goes_over("peer", program.copy_src, program.copy_dst)
    pairs = np.unique(program.copy_src[peer] * program.num_gpus + partner[peer])
    return int(np.bincount(pairs // program.num_gpus).max(initial=0))
