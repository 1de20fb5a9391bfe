"""Find the allocation in which an address lies, by asking the driver once for each allocation."""

from __future__ import annotations

import bisect
import ctypes
import importlib
from collections.abc import Callable
from typing import Any

_HOST, _DEVICE = 1, 2  # CUmemorytype
_ATTRIBUTES = {"MEMORY_TYPE": 2, "DEVICE_ORDINAL": 9, "RANGE_START_ADDR": 11, "RANGE_SIZE": 12}


class Allocations:
    """Allocations seen so far, numbered from 0.

    Attributes:
        gpus: The GPU of each; −1 of host memory.

    The driver's `cuPointerGetAttribute` is asked, not the runtime's `cudaPointerGetAttributes`: in a thread without a
    current GPU the latter may open a context on GPU 0.
    """

    def __init__(self, announce: Callable[[dict[str, Any]], None]) -> None:
        """`announce` is given each new allocation, as it stands in a record."""
        self._announce = announce
        self.gpus: list[int] = []
        self._starts: list[int] = []
        self._ranges: list[tuple[int, int]] = []  # end and number, in the order of the starts
        self._opened: dict[int, str] = {}  # memory of other processes: its handle, by address
        self._whole: dict[tuple[str, int], int] = {}  # memory whose range nobody knows, by kind and GPU

    def offered(self, address: int, handle: str) -> None:
        """Note that other processes may open the memory at an address."""
        _, device, _, _ = _ask(address)
        self._announce({"what": "shared", "handle": handle, "device": device})

    def opened(self, address: int, handle: str) -> None:
        """Note that the memory at an address is another process's."""
        self._opened[address] = handle

    def place(self, address: int, said: tuple[str, int] | None = None) -> tuple[int, int]:
        """Return the number of the allocation and the offset in it.

        Args:
            address: Of a byte.
            said: Kind and GPU as the caller knows them, for an address that the driver does not know.
        """
        index = bisect.bisect_right(self._starts, address) - 1
        if index >= 0 and address < self._ranges[index][0]:
            return self._ranges[index][1], address - self._starts[index]
        kind, device, start, size = _ask(address)
        if said is not None and kind in ("pageable", "unknown"):
            kind, device = said
        if size == 0 or not start <= address < start + size:
            number = self._whole.get((kind, device))
            if number is None:
                number = self._whole[kind, device] = self._add(kind, device, 0)
            return number, 0
        handle = next((h for opened, h in self._opened.items() if start <= opened < start + size), None)
        number = self._add(kind, device, size, handle)
        place = bisect.bisect_right(self._starts, start)
        self._starts.insert(place, start)
        self._ranges.insert(place, (start + size, number))
        return number, address - start

    def _add(self, kind: str, device: int, size: int, handle: str | None = None) -> int:
        number = len(self.gpus)
        self.gpus.append(device)
        shared = {} if handle is None else {"handle": handle}
        self._announce({"what": "allocation", "id": number, "kind": kind, "device": device, "bytes": size, **shared})
        return number


def _ask(address: int) -> tuple[str, int, int, int]:
    """Kind, GPU (−1 of host memory), start and size of the memory at an address; size 0 if the driver does not say."""
    try:
        driver = importlib.import_module("cuda.bindings.driver")  # an engine may use the runtime's bindings only
        kind = _attribute(driver, "MEMORY_TYPE", address)
        if kind not in (_HOST, _DEVICE):
            return "pageable", -1, 0, 0
        device = _gpu(driver, address) if kind == _DEVICE else -1
        start, size = (_attribute(driver, name, address) or 0 for name in ("RANGE_START_ADDR", "RANGE_SIZE"))
    except Exception:  # no driver, or a version that lacks something
        return "unknown", -1, 0, 0
    return "device" if kind == _DEVICE else "pinned", -1 if device is None else device, start, size


def _gpu(driver: Any, address: int) -> int | None:
    """The GPU whose memory it is; of memory opened by CUDA IPC the driver names the GPU that opened it."""
    status, handle = driver.cuMemRetainAllocationHandle(address)
    if int(status) == 0:  # of cuMemCreate, perhaps another process's
        try:
            status, properties = driver.cuMemGetAllocationPropertiesFromHandle(handle)
            return int(properties.location.id) if int(status) == 0 else None
        finally:
            driver.cuMemRelease(handle)
    # Bindings of 2026 return 0 of any GPU (NVIDIA/cuda-python issue 2928): a 0 is asked for once more.
    said = _attribute(driver, "DEVICE_ORDINAL", address)
    return _ordinal(address) if said == 0 else said


def _ordinal(address: int) -> int | None:
    """The GPU of an address as the driver itself says; None if it fails, and 0 where it can't be asked."""
    gpu = ctypes.c_int(0)
    try:
        ask = ctypes.CDLL("libcuda.so.1").cuPointerGetAttribute
    except OSError:
        return 0
    return gpu.value if ask(ctypes.byref(gpu), _ATTRIBUTES["DEVICE_ORDINAL"], ctypes.c_uint64(address)) == 0 else None


def _attribute(driver: Any, name: str, address: int) -> int | None:
    status, value = driver.cuPointerGetAttribute(
        driver.CUpointer_attribute(_ATTRIBUTES[name]), driver.CUdeviceptr(address)
    )
    return int(value) if int(status) == 0 else None
