"""The two ends of a copy: how they are numbered and named, and which kind of link lies between them."""

from __future__ import annotations

import numpy as np

from dwdp_sim.base.arrays import Bools, Ints

HOST = -1  # host memory; GPUs are numbered from 0
LINK_KINDS = ("peer", "host", "local")
HOMES = LINK_KINDS  # where the peers' experts lie decides over which kind of link they are pulled


def link_kind(src: int, dst: int) -> str:
    """Return `local` (inside one GPU), `host` (one end is host memory) or `peer` (from one GPU to another)."""
    if src == dst:
        return "local"
    return "host" if HOST in (src, dst) else "peer"


def link_kinds(src: Ints, dst: Ints) -> Ints:
    """Return the kind of link of each copy, an index into `LINK_KINDS`; all arrays have shape (copies,)."""
    to_host = (src == HOST) | (dst == HOST)
    numbers = [LINK_KINDS.index(kind) for kind in ("local", "host", "peer")]
    kinds: Ints = np.select([src == dst, to_host], numbers[:2], numbers[2])
    return kinds


def goes_over(kind: str, src: Ints, dst: Ints) -> Bools:
    """Return, for each copy, whether it goes over this kind of link; all arrays have shape (copies,)."""
    found: Bools = link_kinds(src, dst) == LINK_KINDS.index(kind)
    return found


def endpoint_name(endpoint: int) -> str:
    """Return what people read: `host` or `GPU 3`."""
    return "host" if endpoint == HOST else f"GPU {endpoint}"


def endpoint_key(endpoint: int) -> str:
    """Return what files hold: `host` or `gpu3`."""
    return "host" if endpoint == HOST else f"gpu{endpoint}"
