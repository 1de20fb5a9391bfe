"""A rank's memory on its GPU: resident experts that peers can read, two slots, and what each must hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from dwdp_hw.cases.case import Case
from dwdp_hw.executors.cuda.gpu import Gpu, giving_back
from dwdp_hw.executors.cuda.kernels import Kernels, RegionTable
from dwdp_hw.executors.cuda.peer_memory import share
from dwdp_hw.executors.expected import Region, expected_regions, guard_regions, name_of_place, source_buffers
from dwdp_hw.executors.layout import Layout
from dwdp_hw.group.group import Group
from dwdp_sim.base.errors import ConfigError, check_choice
from dwdp_sim.plan.endpoints import HOMES

if TYPE_CHECKING:
    from cuda.core import Stream

_SPARE_BYTES = 1 << 30  # left free on the GPU for contexts, kernels and tables


class Buffers:
    """The buffers of one layout, mapping and home, shared by every case that needs the same.

    Attributes:
        layout: Offsets.
        bases: Address of each rank's resident experts as this rank reads them.
        slots: Address of the slot arena.
    """

    def __init__(self, gpu: Gpu, kernels: Kernels, group: Group, case: Case, stream: Stream) -> None:
        self._gpu, self._kernels, self._group = gpu, kernels, group
        self._key = _key(case)
        self.layout = Layout.of(case.plan, case.layers)
        self._tables: dict[tuple[str, int], RegionTable] = {}
        self._case: Case | None = None
        self._refuse_too_large(case)
        group.place.at("allocating")
        with giving_back() as taken:
            self.slots = gpu.allocate(self.layout.slots_bytes)
            taken.callback(gpu.free, self.slots)
            self.bases = self._allocate_experts(case, taken)
            owned = [group.rank] if case.home == "peer" else sorted(self.bases)
            for rank in owned:
                self._fill(self.bases[rank], source_buffers(self.layout, rank), stream)
            self._fill(self.slots, guard_regions(self.layout), stream)
            group.meet("the filling of GPU memory")
            self._taken = taken.pop_all()

    def fit(self, case: Case) -> bool:
        """Whether `case` can use these buffers."""
        return self._key == _key(case)

    def use(self, case: Case) -> None:
        """Expect the bytes that `case` brings, and forget those of earlier cases."""
        self._free_tables()
        self._case = case

    def expected(self, layer: int) -> RegionTable:
        """Return what the layer's slot must hold."""
        return self._table("expected", layer)

    def checked(self, layer: int) -> RegionTable:
        """Return what the layer's slot must hold, and the guards around all slot buffers."""
        return self._table("checked", layer)

    def poison(self, layer: int, stream: Stream) -> None:
        """Make every byte of the layer's slot wrong, and wait."""
        self._kernels.poison(self.expected(layer), stream)
        self._gpu.finish(stream, "poisoning")

    def name_of_wrong(self, layer: int, region: int, offset: int) -> str:
        """Name the slice of a wrong byte that a comparison with `checked` has found."""
        assert self._case is not None  # `use` comes first
        where = self.checked(layer).regions[region]
        return name_of_place(self._case.plan, self.layout, self._group.rank, layer, where, offset)

    def close(self) -> None:
        """Unmap the peers' memory and free the own."""
        self._free_tables()
        self._taken.close()

    def _free_tables(self) -> None:
        for table in self._tables.values():
            table.free()
        self._tables = {}

    def _table(self, kind: str, layer: int) -> RegionTable:
        assert self._case is not None  # `use` comes first
        if (kind, layer) not in self._tables:
            sources = self._case.sources_of(self._group.rank)
            regions = expected_regions(self._case.plan, self.layout, self._group.rank, layer, sources)
            if kind == "checked":
                regions += guard_regions(self.layout)
            self._tables[kind, layer] = RegionTable(self._gpu, self.slots, regions)
        return self._tables[kind, layer]

    def _fill(self, base: int, regions: Sequence[Region], stream: Stream) -> None:
        with giving_back() as taken:
            table = RegionTable(self._gpu, base, regions)
            taken.callback(table.free)
            self._kernels.write(table, stream)
            self._gpu.finish(stream, "filling memory")

    def _allocate_experts(self, case: Case, taken: ExitStack) -> Mapping[int, int]:
        gpu, group, size = self._gpu, self._group, self.layout.resident_bytes
        if case.home == "peer":
            return taken.enter_context(share(gpu, size, case.mapping, group, f"share/{case.name}"))
        peers = [rank for rank in range(case.plan.placement.dwdp_size) if rank != group.rank]
        return {rank: self._allocate_virtual_peer(case.home, size, taken) for rank in peers}

    def _allocate_virtual_peer(self, home: str, size: int, taken: ExitStack) -> int:
        gpu, runtime = self._gpu, self._gpu.runtime
        if home == "local":
            address = gpu.allocate(size)
            taken.callback(gpu.free, address)
        else:
            flags = runtime.cudaHostAllocMapped | runtime.cudaHostAllocPortable
            address = int(gpu.call(runtime.cudaHostAlloc, size, flags))
            taken.callback(gpu.call, runtime.cudaFreeHost, address)
        return address

    def _refuse_too_large(self, case: Case) -> None:
        placement = case.plan.placement
        check_choice("backend.home", case.home, HOMES)
        if case.home == "peer" and placement.dwdp_size != self._group.size:
            raise ConfigError(
                "dwdp.dwdp_size",
                placement.dwdp_size,
                f"{self._group.size} GPUs run, one rank each; with home=peer every rank needs a GPU of its own (two "
                "processes on one GPU take turns); use backend.home=host or local to run one rank's plan",
            )
        copies = {"peer": 1, "host": 0, "local": placement.dwdp_size - 1}[case.home]
        needed = self.layout.resident_bytes * copies + self.layout.slots_bytes + _SPARE_BYTES
        free, _total = self._gpu.call(self._gpu.runtime.cudaMemGetInfo)
        if needed > free:
            raise ConfigError(
                "backend.layers",
                case.layers,
                f"needs {needed} bytes of GPU memory and {free} are free; take fewer layers or fewer experts",
            )


def _key(case: Case) -> tuple[object, ...]:
    return (Layout.of(case.plan, case.layers), case.plan.placement, case.mapping, case.home)
