"""Read NVML beside a measurement: clocks, power, throttle reasons, NVLink counters. Reads only, sets nothing."""

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


class Telemetry:
    """NVML for one GPU. Where NVML or its Python package is missing, every reading is empty and `missing` says why."""

    def __init__(self, bus_id: str) -> None:
        self.missing: str | None = None
        try:
            self._nvml = importlib.import_module("pynvml")
            self._nvml.nvmlInit()
            self._handle = self._nvml.nvmlDeviceGetHandleByPciBusId(bus_id.encode())
        except Exception as error:  # NVML is a witness; a measurement without it is marked, not stopped
            self.missing = f"{type(error).__name__}: {error}"

    def read(self) -> Reading:
        """Look now."""
        if self.missing:
            return Reading()
        nvml, handle = self._nvml, self._handle
        reasons = self._try(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle) or 0
        mhz = 1e6
        milli = 1e-3
        return Reading(
            sm_clock_hz=_scaled(self._try(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM), mhz),
            memory_clock_hz=_scaled(self._try(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_MEM), mhz),
            power_w=_scaled(self._try(nvml.nvmlDeviceGetPowerUsage, handle), milli),
            temperature_c=_scaled(self._try(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU), 1.0),
            slowdowns=tuple(text for name, text in SLOWDOWNS.items() if reasons & getattr(nvml, name, 0)),
            nvlink_rx_bytes=self._field("NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX", _KIB),
            nvlink_errors=self._field("NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL", 1, scope=0),
        )

    def driver_version(self) -> str | None:
        """Version of the driver, such as 580.65.06."""
        version = None if self.missing else self._try(self._nvml.nvmlSystemGetDriverVersion)
        return version.decode() if isinstance(version, bytes) else version

    def _field(self, name: str, factor: int, scope: int = _ALL_LINKS) -> int | None:
        number = getattr(self._nvml, name, None)
        if number is None:
            return None
        values = self._try(self._nvml.nvmlDeviceGetFieldValues, self._handle, [(number, scope)])
        if not values or values[0].nvmlReturn != 0:
            return None
        return int(values[0].value.ullVal) * factor

    def _try(self, function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except self._nvml.NVMLError:
            return None


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
