"""One measured table: the rows of an operation for one GPU, engine, kernel and format."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dwdp_sim.silicon.curves import Curve, Surface

# What the numbers of a curve's shape mean, and what it runs along. Times of a2a and nccl are those of one rank.
AXES = {
    "gemm": ("outputs", "inputs", "rows of activations"),
    "moe": ("hidden size", "intermediate size", "experts", "experts of a token", "ranks", "tokens of all ranks"),
    "mla": ("heads", "batch", "length of a request"),
    "mla_module": ("heads", "batch", "length of a request"),
    "gqa": ("key heads; 0: as many as heads", "head width", "window", "heads", "batch", "length of a request"),
    "a2a": ("hidden size", "experts", "experts of a token", "ranks", "tokens of a rank"),
    "nccl": ("ranks", "elements of the gathered buffer"),
}
NCCL = "nccl"  # stands where another table has its engine


class Source(NamedTuple):
    """Where rows come from.

    Attributes:
        gpu: The GPU's name.
        backend: The engine, `trtllm` or `sglang`; `nccl` for its collectives.
        op: A key of `AXES`.
        version: The engine's version.
        kernel: Name of the kernel in the table.
        dtype: Format of the weights or products; of the elements for collectives.
        detail: Load of the experts (moe), format of the cache (attention), phase (a2a) or collective (nccl).
    """

    gpu: str
    backend: str
    op: str
    version: str
    kernel: str
    dtype: str
    detail: str

    @property
    def table(self) -> str:
        """The table's name, as a provenance shows it."""
        return f"{self.gpu}/{self.backend}/{self.op}"


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of one source.

    Attributes:
        source: Where they come from.
        curves: Times by shape, in the order of the file; `AXES` says what the numbers mean.
    """

    source: Source
    curves: Mapping[tuple[int, ...], Curve]


@functools.cache
def surface(table: Table, kind: tuple[int, ...] = ()) -> Surface | None:
    """Attention of one kind, over heads, length and batch; None if the table lacks it.

    Args:
        table: A table of mla, mla_module or gqa.
        kind: What a gqa curve's shape begins with: key heads, head width, window.
    """
    start = len(kind)
    columns = {
        (shape[start], shape[start + 1]): curve for shape, curve in table.curves.items() if shape[:start] == kind
    }
    return Surface(columns) if columns else None
