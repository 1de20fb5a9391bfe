"""Ask NVML about every GPU of this machine; each answer that matters is a plain line. Sets nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dwdp_hw.executors.cuda.nvml import Nvml, Telemetry

FINE, NOTE, WARNING = "fine", "note", "warning"
_MOST_LINKS = 18


@dataclass(frozen=True)
class Finding:
    """What is known of a GPU, or of the machine.

    Attributes:
        level: `FINE`, `NOTE` (to be known) or `WARNING` (measurements suffer).
        text: One line.
        gpu: Its number; None of the machine.
    """

    level: str
    text: str
    gpu: int | None = None


def look(nvml: Nvml | None = None) -> list[Finding]:
    """Everything that NVML says of this machine; one line where there is no NVML, or no GPU."""
    nvml = nvml or Nvml()
    if nvml.missing:
        return [Finding(NOTE, f"no GPU can be asked here: {nvml.missing}")]
    count = nvml.ask("nvmlDeviceGetCount") or 0
    if not count:
        return [Finding(NOTE, "NVML knows of no GPU here")]
    driver = nvml.ask("nvmlSystemGetDriverVersion") or "not known"
    found = [Finding(FINE, f"driver {driver}, {count} {'GPU' if count == 1 else 'GPUs'}")]
    for number in range(count):
        found += _of_gpu(nvml, number)
    if nvml.denied:
        names = ", ".join(dict.fromkeys(nvml.denied))
        found.append(Finding(NOTE, f"this user may not ask the driver for {names}"))
    return found


def warnings_now() -> list[str]:
    """Return what NVML says against measuring on this machine now, each in a line."""
    return [one.text if one.gpu is None else f"GPU {one.gpu}: {one.text}" for one in look() if one.level == WARNING]


def _of_gpu(nvml: Nvml, number: int) -> Iterator[Finding]:
    handle = nvml.ask("nvmlDeviceGetHandleByIndex", number)
    if handle is None:
        yield Finding(WARNING, "NVML lists it and cannot open it", number)
        return
    yield Finding(FINE, str(nvml.ask("nvmlDeviceGetName", handle) or "name not known"), number)
    for finding in (
        _mig(nvml, handle),
        _processes(nvml, handle),
        _memory_errors(nvml, handle),
        _persistence(nvml, handle),
        *_links(nvml, handle),
        *_reading(nvml, handle),
    ):
        if finding is not None:
            yield Finding(finding.level, finding.text, number)


def _mig(nvml: Nvml, handle: Any) -> Finding | None:
    mode = nvml.ask("nvmlDeviceGetMigMode", handle)
    if not mode or mode[0] == 0:
        return None
    return Finding(WARNING, "MIG is on: a part of a GPU has a part of its copy engines, so no rate can be compared")


def _processes(nvml: Nvml, handle: Any) -> Finding | None:
    running = nvml.ask("nvmlDeviceGetComputeRunningProcesses", handle)
    others = [process for process in running or () if process.pid != os.getpid()]
    if not others:
        return None
    many = "1 other process is" if len(others) == 1 else f"{len(others)} other processes are"
    return Finding(WARNING, f"{many} on it: processes on one GPU take turns")


def _memory_errors(nvml: Nvml, handle: Any) -> Finding | None:
    kinds = nvml.constant("NVML_MEMORY_ERROR_TYPE_UNCORRECTED"), nvml.constant("NVML_VOLATILE_ECC")
    errors = nvml.ask("nvmlDeviceGetTotalEccErrors", handle, *kinds)
    return (
        Finding(WARNING, f"{errors} memory errors since the driver was loaded could not be corrected")
        if errors
        else None
    )


def _persistence(nvml: Nvml, handle: Any) -> Finding | None:
    if nvml.ask("nvmlDeviceGetPersistenceMode", handle) != 0:
        return None
    return Finding(NOTE, "persistence mode is off: the driver starts the GPU anew for each first process")


def _links(nvml: Nvml, handle: Any) -> Iterator[Finding]:
    states = [nvml.ask("nvmlDeviceGetNvLinkState", handle, link) for link in range(_MOST_LINKS)]
    active, down = states.count(1), states.count(0)
    if active and down:
        yield Finding(WARNING, f"{down} of {active + down} NVLinks are down")
    elif active:
        kind = nvml.ask("nvmlDeviceGetNvLinkRemoteDeviceType", handle, states.index(1))
        through = {0: "direct to other GPUs", 2: "through a switch"}.get(kind, "to what, is not known")
        yield Finding(FINE, f"{active} NVLinks, {through}")
    elif down:
        yield Finding(WARNING, "no NVLink is up")


def _reading(nvml: Nvml, handle: Any) -> Iterator[Finding]:
    """What a measurement reads, too: reasons of slowness, and errors of links."""
    pci = nvml.ask("nvmlDeviceGetPciInfo", handle)
    bus_id = getattr(pci, "busId", None)
    if bus_id is None:
        yield Finding(NOTE, "its PCI address is not known, so neither clocks nor link errors are")
        return
    reading = Telemetry(bus_id.decode() if isinstance(bus_id, bytes) else str(bus_id), nvml).read()
    if reading.slowdowns:
        yield Finding(WARNING, f"slowed down: {', '.join(reading.slowdowns)}")
    if reading.nvlink_errors:
        yield Finding(WARNING, f"{reading.nvlink_errors} errors of NVLink data were counted")
