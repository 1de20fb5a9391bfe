"""The interface of an executor: what measures on one rank, be it a GPU or host memory."""

from __future__ import annotations

from typing import Any, Protocol

from dwdp_hw.cases.case import Case
from dwdp_hw.cases.result import Detail, LayerTimes, Reading, RelativeCost, Sample, Witness


class Executor(Protocol):
    """An executor of one rank's part of a plan.

    Attributes:
        device: Name of the device.
        machine: What the device and its software are, for the rows.
    """

    device: str
    machine: dict[str, Any]

    def prepare(self, case: Case) -> None:
        """Allocate, map, fill and build what `case` needs."""

    def poison(self, layer: int) -> None:
        """Make every byte of the layer's slot wrong."""

    def run(self, layer: int) -> Sample:
        """Start with the other ranks, run the layer's copies and wait for their end."""

    def serve(self) -> None:
        """Take part in another rank's run without pulling."""

    def watch(self, layer: int) -> Detail:
        """Run once and note when each copy and call ends; too disturbed for timing."""

    def witness(self, layer: int) -> Witness:
        """Run once while CUPTI records the copies."""

    def first_wrong(self, layer: int) -> str | None:
        """Compare every byte of the layer's slot; name the first wrong one."""

    def pipeline(self, verify: bool) -> list[LayerTimes]:
        """One forward step; with `verify`, every layer's slot is compared before it is reused."""

    def issue_cost(self) -> dict[str, float]:
        """Host seconds a slice, for each way of issuing; the copies really run."""

    def relative_cost(self) -> RelativeCost:
        """Host seconds a copy beside those of the yardstick; the copies really run."""

    def path(self) -> str:
        """The driver entry that moves this case's bytes."""

    def clock_uncertainty_s(self) -> float:
        """Uncertainty, in seconds, of this device's clock on the host's."""

    def telemetry(self) -> Reading:
        """NVML now."""

    def close(self) -> None:
        """Free and unmap everything."""
