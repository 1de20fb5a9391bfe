"""A rank on host memory: the same processes, meetings, plans and checks as on GPUs, for machines without one."""

from __future__ import annotations

import platform
import time
from typing import Any, Literal

import numpy as np

from dwdp_hw.cases.case import Case
from dwdp_hw.cases.result import Detail, LayerTimes, Reading, RelativeCost, Sample, Witness
from dwdp_hw.executors.host import arena as host
from dwdp_hw.executors.layout import SLOTS, Layout
from dwdp_hw.executors.pattern import Bytes
from dwdp_hw.executors.yardstick import relative_cost
from dwdp_hw.group.group import Group
from dwdp_hw.group.reserve import reserve
from dwdp_sim.base.errors import ConfigError

_START_DELAY_S = 2e-3


class HostRank:
    """Peers' experts are files in the run's folder that every rank of the host maps."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self.device = "host memory"
        self.machine: dict[str, Any] = {
            "gpu": None,
            "gpus": group.size,
            "cpu": platform.machine(),
            "python": platform.python_version(),
        }

    def prepare(self, case: Case) -> None:
        """Map every rank's experts and fill this rank's."""
        if case.measure == "issue_cost":
            raise ConfigError("backend.executor", "host", "has no driver whose calls could be timed")
        self._case = case
        self._layout = Layout.of(case.plan, case.layers)
        ranks = range(case.plan.placement.dwdp_size)
        own = {self._group.rank} if case.home == "peer" else set(ranks)
        self._residents: dict[int, Bytes] = {}
        for rank in own:
            self._residents[rank] = self._map(case, rank, "r+")
            host.write_sources(self._residents[rank], self._layout, rank)
        self._group.meet("the filling of host memory")
        for rank in set(ranks) - own:
            self._residents[rank] = self._map(case, rank, "r")
        self._slots = np.zeros(self._layout.slots_bytes, np.uint8)

    def _map(self, case: Case, rank: int, mode: Literal["r", "r+"]) -> Bytes:
        owner = "" if case.home == "peer" else f"_of{self._group.rank}"
        path = self._group.seat.folder / f"experts_{case.name}_{rank}{owner}"
        size = self._layout.resident_bytes
        if mode == "r+":
            with path.open("wb") as file:
                reserve(file.fileno(), size, path)
        return np.memmap(path, np.uint8, mode, shape=(size,))

    def poison(self, layer: int) -> None:
        """Make every byte of the slot wrong."""
        rank = self._group.rank
        host.poison(self._slots, self._case.plan, self._layout, rank, layer, self._case.sources_of(rank))

    def run(self, layer: int) -> Sample:
        """Copy with the host's processor."""
        later_s = self._case.later_s(self._group.rank)
        target_ns = self._start(later_s)
        began_ns = time.monotonic_ns()
        self._copy(layer)
        elapsed_s = (time.monotonic_ns() - began_ns) / 1e9
        calls = int((self._case.plan.call_rank == self._group.rank).sum())
        queued = calls if self._case.issue_mode == "queued" else 0
        started_s = max(began_ns, target_ns) / 1e9 - later_s
        return Sample(elapsed_s, elapsed_s, started_s, queued, gate_late=False)

    def _copy(self, layer: int) -> None:
        host.run_layer(self._case.plan, self._layout, self._group.rank, layer, self._residents, self._slots)

    def _start(self, later_s: float = 0.0) -> int:
        self._group.meet("the start of a run")
        target_ns = self._group.page.agree_on_start(_START_DELAY_S, lambda: self._group.meet("the start time"))
        target_ns += int(later_s * 1e9)
        while time.monotonic_ns() < target_ns:
            time.sleep(0)
        return target_ns

    def serve(self) -> None:
        """Take part in another rank's run without pulling."""
        self._start()

    def watch(self, layer: int) -> Detail:
        """Host copies are done when their call returns; nothing more is to be seen."""
        sample = self.run(layer)
        plan, rank = self._case.plan, self._group.rank
        copies, calls = int((plan.copy_rank == rank).sum()), int((plan.call_rank == rank).sum())
        nothing = float("nan")
        return Detail([nothing] * copies, [nothing] * calls, [nothing] * (calls - 1) + [sample.elapsed_s])

    def witness(self, layer: int) -> Witness:
        """There is no GPU to record."""
        self.run(layer)
        return Witness([], "", "host memory has no GPU to record")

    def first_wrong(self, layer: int) -> str | None:
        """Compare every byte."""
        rank = self._group.rank
        sources = self._case.sources_of(rank)
        return host.first_wrong(self._slots, self._case.plan, self._layout, rank, layer, sources)

    def pipeline(self, verify: bool) -> list[LayerTimes]:
        """One step in which nothing overlaps: what is shown is that every layer finds its bytes in its slot."""
        case, rank = self._case, self._group.rank
        assert case.pipeline is not None
        layers, zero_s = range(case.layers), self._start() / 1e9
        copied: dict[int, tuple[float, float]] = {}

        def prefetch(layer: int) -> None:
            begin_s = time.monotonic() - zero_s
            if verify or layer < SLOTS:
                self.poison(layer)
            self._copy(layer)
            copied[layer] = (begin_s, time.monotonic() - zero_s)

        for layer in layers[:SLOTS]:
            prefetch(layer)
        times = []
        for layer, window_s in zip(layers, case.pipeline.windows_s(rank, case.layers), strict=True):
            begin_s = time.monotonic() - zero_s
            time.sleep(window_s)
            wrong = self.first_wrong(layer) if verify else None
            if wrong:
                raise self._group.place.fault(f"wrong bytes: {wrong}")
            times.append(LayerTimes(layer, *copied[layer], begin_s, time.monotonic() - zero_s))
            if layer + SLOTS < case.layers:
                prefetch(layer + SLOTS)
        return times

    def issue_cost(self) -> dict[str, float]:
        """Not available on host memory; `prepare` refuses cases that ask for it."""
        raise self._group.place.fault("host memory has no driver whose calls could be timed")

    def relative_cost(self) -> RelativeCost:
        """On host memory the calls are the copies."""
        copies = int((self._case.plan.copy_rank == self._group.rank).sum())
        return relative_cost(self._copy_s, copies, self._case.lasting_s)

    def _copy_s(self) -> float:
        began = time.perf_counter()
        self._copy(0)
        return time.perf_counter() - began

    def path(self) -> str:
        """The name of what moves the bytes."""
        return "NumPy"

    def clock_uncertainty_s(self) -> float:
        """The clock is the host's own."""
        return 0.0

    def telemetry(self) -> Reading:
        """There is no GPU to read."""
        return Reading()

    def close(self) -> None:
        """Unmap."""
        self._residents = {}
