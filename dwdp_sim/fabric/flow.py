"""Who moves bytes from where to where, over which kind of link."""

from __future__ import annotations

from typing import NamedTuple

from dwdp_sim.plan.endpoints import link_kind


class Flow(NamedTuple):
    """One copy engine moving bytes from one endpoint to another.

    Attributes:
        engine: Number of the copy engine.
        gpu: The GPU that the engine belongs to.
        src: Source endpoint; `endpoints.HOST` is host memory.
        dst: Destination endpoint.
    """

    engine: int
    gpu: int
    src: int
    dst: int

    @property
    def kind(self) -> str:
        """`push` if the engine's GPU is the source, else `pull`."""
        return "push" if self.gpu == self.src else "pull"

    @property
    def is_peer(self) -> bool:
        """Whether the bytes go from one GPU to another."""
        return self.link_kind == "peer"

    @property
    def link_kind(self) -> str:
        """`local`, `host` or `peer`, as in `endpoints.link_kind`."""
        return link_kind(self.src, self.dst)
