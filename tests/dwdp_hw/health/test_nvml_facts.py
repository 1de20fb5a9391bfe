"""What NVML may answer, and the plain line that each answer ends in. The library is a stand-in: it only answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from dwdp_hw.executors.cuda.nvml import Nvml, Telemetry
from dwdp_hw.health.nvml_facts import FINE, NOTE, WARNING, look

HEALTHY: dict[str, Any] = {
    "nvmlInit": None,
    "nvmlDeviceGetCount": 1,
    "nvmlSystemGetDriverVersion": b"580.159.04",
    "nvmlDeviceGetHandleByIndex": "handle",
    "nvmlDeviceGetHandleByPciBusId": "handle",
    "nvmlDeviceGetName": "NVIDIA H200",
    "nvmlDeviceGetMigMode": [0, 0],
    "nvmlDeviceGetComputeRunningProcesses": [SimpleNamespace(pid=os.getpid())],
    "nvmlDeviceGetTotalEccErrors": 0,
    "nvmlDeviceGetPersistenceMode": 1,
    "nvmlDeviceGetNvLinkState": 1,
    "nvmlDeviceGetNvLinkRemoteDeviceType": 2,
    "nvmlDeviceGetPciInfo": SimpleNamespace(busId=b"0000:0A:00.0"),
    "nvmlDeviceGetCurrentClocksThrottleReasons": 0,
    "nvmlDeviceGetClockInfo": 1980,
    "nvmlDeviceGetPowerUsage": 120_000,
    "nvmlDeviceGetTemperature": 35,
    "nvmlDeviceGetFieldValues": [SimpleNamespace(nvmlReturn=0, value=SimpleNamespace(ullVal=0))],
}
CONSTANTS = {
    "NVML_ERROR_NO_PERMISSION": 4,
    "NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL": 38,
    "NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX": 138,
    "nvmlClocksThrottleReasonHwSlowdown": 8,
    "nvmlClocksThrottleReasonHwPowerBrakeSlowdown": 128,
}


class NVMLError(Exception):
    """As pynvml's."""

    def __init__(self, value: int) -> None:
        super().__init__(f"error {value}")
        self.value = value


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make NVML answer as a healthy GPU does, but for some functions; an exception is raised."""

    def answering(**answers: Any) -> Nvml:
        module = ModuleType("pynvml")
        module.NVMLError = NVMLError  # type: ignore[attr-defined]
        for name, value in CONSTANTS.items():
            setattr(module, name, value)

        def answer_with(answer: Any) -> Any:
            def function(*arguments: Any) -> Any:
                if isinstance(answer, Exception):
                    raise answer
                return answer(*arguments) if callable(answer) else answer

            return function

        for name, answer in {**HEALTHY, **answers}.items():
            setattr(module, name, answer_with(answer))
        monkeypatch.setitem(sys.modules, "pynvml", module)
        return Nvml()

    return answering


def test_a_healthy_gpu_has_no_warning(nvml: Any) -> None:
    found = look(nvml())
    assert {one.level for one in found} == {FINE}
    assert [one.text for one in found] == ["driver 580.159.04, 1 GPU", "NVIDIA H200", "18 NVLinks, through a switch"]


WRONG: Mapping[str, tuple[dict[str, Any], str, str]] = {
    "MIG": ({"nvmlDeviceGetMigMode": [1, 1]}, WARNING, "MIG is on"),
    "another process": (
        {"nvmlDeviceGetComputeRunningProcesses": [SimpleNamespace(pid=1)]},
        WARNING,
        "1 other process is on it",
    ),
    "two processes": (
        {"nvmlDeviceGetComputeRunningProcesses": [SimpleNamespace(pid=1), SimpleNamespace(pid=2)]},
        WARNING,
        "2 other processes are on it",
    ),
    "memory errors": ({"nvmlDeviceGetTotalEccErrors": 3}, WARNING, "3 memory errors"),
    "persistence": ({"nvmlDeviceGetPersistenceMode": 0}, NOTE, "persistence mode is off"),
    "one link down": (
        {"nvmlDeviceGetNvLinkState": lambda _, link: int(link != 5)},
        WARNING,
        "1 of 18 NVLinks are down",
    ),
    "all links down": ({"nvmlDeviceGetNvLinkState": 0}, WARNING, "no NVLink is up"),
    "power brake": ({"nvmlDeviceGetCurrentClocksThrottleReasons": 136}, WARNING, "hardware slowdown, power brake"),
    "link errors": (
        {"nvmlDeviceGetFieldValues": [SimpleNamespace(nvmlReturn=0, value=SimpleNamespace(ullVal=7))]},
        WARNING,
        "7 errors of NVLink data",
    ),
    "no permission": ({"nvmlDeviceGetComputeRunningProcesses": NVMLError(4)}, NOTE, "this user may not ask the driver"),
    "no handle": ({"nvmlDeviceGetHandleByIndex": NVMLError(9)}, WARNING, "cannot open it"),
    "no address": ({"nvmlDeviceGetPciInfo": NVMLError(3)}, NOTE, "its PCI address is not known"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_plain_line(name: str, nvml: Any) -> None:
    answers, level, text = WRONG[name]
    (found,) = [one for one in look(nvml(**answers)) if one.level != FINE]
    assert found.level == level
    assert text in found.text
    assert found.text.isprintable()


def test_direct_links_are_told_from_a_switch_and_neither_is_missed(nvml: Any) -> None:
    assert look(nvml(nvmlDeviceGetNvLinkRemoteDeviceType=0))[-1].text == "18 NVLinks, direct to other GPUs"
    without = look(nvml(nvmlDeviceGetNvLinkState=NVMLError(3)))
    assert [one.text for one in without] == ["driver 580.159.04, 1 GPU", "NVIDIA H200"]


def test_what_a_gpu_does_not_answer_is_not_said(nvml: Any) -> None:
    answered = ("Count", "HandleByIndex", "HandleByPciBusId", "PciInfo")
    known = {f"nvmlDeviceGet{name}" for name in answered}
    silent = {name: NVMLError(3) for name in HEALTHY if name.startswith("nvmlDeviceGet") and name not in known}
    assert [one.text for one in look(nvml(**silent))] == ["driver 580.159.04, 1 GPU", "name not known"]


@pytest.mark.parametrize("error", [NVMLError(12), OSError("libnvidia-ml.so.1: cannot open")])
def test_without_a_driver_one_line_says_so(error: Exception, nvml: Any) -> None:
    (found,) = look(nvml(nvmlInit=error))
    assert found.level == NOTE
    assert found.text.startswith("no GPU can be asked here: ")


def test_without_the_python_package_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    (found,) = look()
    assert "pynvml" in found.text


def test_a_driver_without_gpus_is_said(nvml: Any) -> None:
    assert [one.text for one in look(nvml(nvmlDeviceGetCount=0))] == ["NVML knows of no GPU here"]


def test_nothing_but_questions_is_asked(nvml: Any) -> None:
    asked = []
    answers = {name: (lambda *_, name=name: asked.append(name) or HEALTHY[name]) for name in HEALTHY}
    look(nvml(**answers))
    assert asked
    assert all(name == "nvmlInit" or name.startswith(("nvmlDeviceGet", "nvmlSystemGet")) for name in asked)


def test_a_measurement_reads_the_same_library(nvml: Any) -> None:
    reading = Telemetry("0000:0A:00.0", nvml(nvmlDeviceGetCurrentClocksThrottleReasons=8)).read()
    assert (reading.sm_clock_hz, reading.power_w, reading.temperature_c) == (1.98e9, 120.0, 35.0)
    assert (reading.slowdowns, reading.nvlink_errors) == (("hardware slowdown",), 0)
    assert Telemetry("0000:0A:00.0", nvml()).driver_version() == "580.159.04"
    assert Telemetry("0000:0A:00.0", nvml(nvmlDeviceGetHandleByPciBusId=NVMLError(6))).missing is not None
