"""Read NVML: what a GPU reports beside a measurement, and questions to the library. Reads only, sets nothing."""

from __future__ import annotations

import importlib
from typing import Any

from dwdp_hw.cases.result import Reading

_ALL_LINKS = 0xFFFFFFFF
_KIB = 1024  # NVML's data counters count in KiB
SLOWDOWNS = {
    "nvmlClocksEventReasonSwThermalSlowdown": "software thermal slowdown",
    "nvmlClocksThrottleReasonHwSlowdown": "hardware slowdown",
    "nvmlClocksThrottleReasonHwThermalSlowdown": "hardware thermal slowdown",
    "nvmlClocksThrottleReasonHwPowerBrakeSlowdown": "power brake",
}
"""Reasons for which a GPU is slower than it could be, and their names in results."""


class Nvml:
    """NVML as its Python package has it.

    Attributes:
        missing: Why there is none; None if there is.
        denied: Functions that this user may not call, in the order of asking.
    """

    def __init__(self) -> None:
        self.missing: str | None = None
        self.denied: list[str] = []
        try:
            self._module = importlib.import_module("pynvml")
            self._module.nvmlInit()
        except Exception as error:  # NVML is a witness; a measurement without it is marked, not stopped
            self.missing = f"{type(error).__name__}: {error}"

    def ask(self, function: str, *arguments: Any) -> Any:
        """What a function answers; None where NVML, the driver or the GPU does not know it or denies it."""
        if self.missing or not hasattr(self._module, function):
            return None
        try:
            answer = getattr(self._module, function)(*arguments)
        except self._module.NVMLError as error:
            if getattr(error, "value", None) == self.constant("NVML_ERROR_NO_PERMISSION"):
                self.denied.append(function)
            return None
        return answer.decode() if isinstance(answer, bytes) else answer

    def constant(self, name: str) -> Any:
        """A constant of NVML; None where the package is older."""
        return getattr(self._module, name, None)

    def field(self, handle: Any, name: str, factor: int = 1, scope: int = 0) -> int | None:
        """A field's value times `factor`; None where the GPU does not count it.

        Args:
            handle: Of the GPU.
            name: Of NVML's constant for the field.
            factor: Of its unit.
            scope: Which link, or all.
        """
        number = self.constant(name)
        if number is None:
            return None
        values = self.ask("nvmlDeviceGetFieldValues", handle, [(number, scope)])
        if not values or values[0].nvmlReturn != 0:
            return None
        return int(values[0].value.ullVal) * factor


class Telemetry:
    """NVML for one GPU. Where NVML or its Python package is missing, every reading is empty and `missing` says why.

    Args:
        bus_id: The GPU's PCI address.
        nvml: The library, if it is open.
    """

    def __init__(self, bus_id: str, nvml: Nvml | None = None) -> None:
        self._nvml = nvml or Nvml()
        self.missing = self._nvml.missing
        if not self.missing:
            self._handle = self._nvml.ask("nvmlDeviceGetHandleByPciBusId", bus_id.encode())
            if self._handle is None:
                self.missing = f"NVML has no GPU at {bus_id}"

    def read(self) -> Reading:
        """Look now."""
        if self.missing:
            return Reading()
        nvml, handle = self._nvml, self._handle
        reasons = nvml.ask("nvmlDeviceGetCurrentClocksThrottleReasons", handle) or 0
        sm, memory, gpu = map(nvml.constant, ("NVML_CLOCK_SM", "NVML_CLOCK_MEM", "NVML_TEMPERATURE_GPU"))
        mhz = 1e6
        milli = 1e-3
        return Reading(
            sm_clock_hz=_scaled(nvml.ask("nvmlDeviceGetClockInfo", handle, sm), mhz),
            memory_clock_hz=_scaled(nvml.ask("nvmlDeviceGetClockInfo", handle, memory), mhz),
            power_w=_scaled(nvml.ask("nvmlDeviceGetPowerUsage", handle), milli),
            temperature_c=_scaled(nvml.ask("nvmlDeviceGetTemperature", handle, gpu), 1.0),
            slowdowns=tuple(text for name, text in SLOWDOWNS.items() if reasons & (nvml.constant(name) or 0)),
            nvlink_rx_bytes=nvml.field(handle, "NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX", _KIB, _ALL_LINKS),
            nvlink_errors=nvml.field(handle, "NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL"),
        )

    def driver_version(self) -> str | None:
        """Version of the driver, such as 580.65.06."""
        version: str | None = self._nvml.ask("nvmlSystemGetDriverVersion")
        return version


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
