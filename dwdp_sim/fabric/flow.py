"""Who moves bytes from where to where, over which kind of link."""

from __future__ import annotations

from typing import NamedTuple


class Flow(NamedTuple):
    """One copy engine moving bytes from one endpoint to another.

    Attributes:
        engine: Number of the copy engine.
        gpu: The GPU that the engine belongs to.
        src: Source endpoint; `program.HOST` is host memory.
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
        """`local` (one GPU), `host` (to or from host memory) or `peer`."""
        if self.src == self.dst:
            return "local"
        return "host" if min(self.src, self.dst) < 0 else "peer"
