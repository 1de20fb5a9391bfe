"""CUDA calls of one rank on one GPU, every return code checked. Importing this needs no CUDA; `open_gpu` does."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dwdp_hw.group.faults import NoGpuError, Whereabouts

BATCH_VERSION = 12080  # CUDA 12.8: the first with cudaMemcpyBatchAsync
_QUERY_INTERVAL_S = 50e-6


@dataclass(frozen=True)
class Versions:
    """Versions as CUDA numbers them, 13000 for 13.0."""

    driver: int
    runtime: int
    bindings: str

    @property
    def batch_missing(self) -> str | None:
        """Why cudaMemcpyBatchAsync cannot be used here; None when it can."""
        if min(self.driver, self.runtime) >= BATCH_VERSION:
            return None
        return (
            f"batched copies need CUDA 12.8 or newer, but the driver supports {_dotted(self.driver)} and the "
            f"runtime is {_dotted(self.runtime)}; strategy=default works"
        )


def _dotted(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"


def count_gpus() -> int:
    """GPUs that this process may use.

    Raises:
        NoGpuError: Says what is missing: the Python package, the driver, or a GPU.
    """
    runtime = _bindings()[0]
    status, count = runtime.cudaGetDeviceCount()
    if status != runtime.cudaError_t.cudaSuccess:
        raise NoGpuError(f"no usable NVIDIA driver or GPU (cudaGetDeviceCount: {status.name})")
    if count == 0:
        raise NoGpuError("no NVIDIA GPU is visible")
    return int(count)


def _bindings() -> tuple[Any, Any, Any]:
    """The runtime, driver and NVRTC modules of cuda-bindings."""
    try:
        runtime, driver, nvrtc = (
            importlib.import_module(f"cuda.bindings.{name}") for name in ("runtime", "driver", "nvrtc")
        )
    except ImportError as error:
        raise NoGpuError(f'cuda-python is not installed ({error}): pip install "dwdp-toolkit[hw]"') from error
    return runtime, driver, nvrtc


class Gpu:
    """One GPU as one rank uses it.

    Attributes:
        runtime, driver, nvrtc: Modules of cuda-bindings.
        place: Where this rank is; every call notes itself there.
        ordinal: CUDA's number of the GPU.
        wait_s: How long any wait for the GPU may take, in seconds.
        versions: Of driver, runtime and bindings.
    """

    def __init__(self, ordinal: int, place: Whereabouts, wait_s: float) -> None:
        self.runtime, self.driver, self.nvrtc = _bindings()
        self.place = place
        self.ordinal = ordinal
        self.wait_s = wait_s
        self.call(self.runtime.cudaSetDevice, ordinal)
        self.call(self.runtime.cudaFree, 0)  # makes the primary context current
        self.versions = Versions(
            driver=self.call(self.runtime.cudaDriverGetVersion),
            runtime=self.call(self.runtime.cudaRuntimeGetVersion),
            bindings=importlib.metadata.version("cuda-bindings"),
        )

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of cuda-bindings and return its value, values, or None.

        Raises:
            RankFault: It did not return success; names call, rank and error.
        """
        self.place.at(function.__name__)
        status, *values = function(*arguments)
        self.check(status, function.__name__)
        return values[0] if len(values) == 1 else tuple(values) or None

    def check(self, status: Any, call: str) -> None:
        """Raise `RankFault` unless `status` is success."""
        if int(status) != 0:
            self.place.at(call)
            raise self.place.fault(f"{call} returned {getattr(status, 'name', status)} ({int(status)})")

    @property
    def name(self) -> str:
        """Name of the GPU."""
        properties = self.call(self.runtime.cudaGetDeviceProperties, self.ordinal)
        return str(properties.name.decode().rstrip("\0"))

    @property
    def bus_id(self) -> str:
        """PCI bus address, unique on a host, as NVML wants it."""
        return str(self.call(self.runtime.cudaDeviceGetPCIBusId, 20, self.ordinal).decode().rstrip("\0"))

    def attribute(self, name: str) -> int:
        """A device attribute by the driver's name without its prefix."""
        attribute = getattr(self.driver.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}")
        return int(self.call(self.driver.cuDeviceGetAttribute, attribute, self.ordinal))

    def stream(self) -> int:
        """A new non-blocking stream."""
        flags = self.runtime.cudaStreamNonBlocking
        return int(self.call(self.runtime.cudaStreamCreateWithFlags, flags))

    def event(self) -> Any:
        """A new event that takes times."""
        return self.call(self.runtime.cudaEventCreate)

    def record(self, event: Any, stream: int) -> None:
        """Record `event` on `stream`."""
        self.call(self.runtime.cudaEventRecord, event, stream)

    def between_s(self, first: Any, second: Any) -> float:
        """Seconds between two recorded events."""
        return float(self.call(self.runtime.cudaEventElapsedTime, first, second)) / 1e3

    def wait_event(self, event: Any, what: str) -> None:
        """Wait until `event` has happened.

        Raises:
            RankFault: Not within `wait_s`.
        """
        deadline = time.monotonic() + self.wait_s
        self.place.at(what)
        not_ready = self.runtime.cudaError_t.cudaErrorNotReady
        while True:
            (status,) = self.runtime.cudaEventQuery(event)
            if status != not_ready:
                self.check(status, "cudaEventQuery")
                return
            if time.monotonic() > deadline:
                raise self.place.fault(f"the GPU did not finish within {self.wait_s:g} s")
            time.sleep(_QUERY_INTERVAL_S)

    def finish(self, stream: int, what: str) -> None:
        """Wait until everything on `stream` is done, at most `wait_s`."""
        event = self.event()
        self.record(event, stream)
        self.wait_event(event, what)
        self.call(self.runtime.cudaEventDestroy, event)

    def read(self, address: int, size: int, stream: int) -> bytes:
        """Bytes from GPU memory, after what `stream` holds."""
        buffer = bytearray(size)
        target = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
        self.finish(stream, "a wait before reading results")
        kind = self.runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self.call(self.runtime.cudaMemcpy, target, address, size, kind)
        return bytes(buffer)

    def write(self, address: int, content: bytes) -> None:
        """Bytes into GPU memory, before anything issued later."""
        kind = self.runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        source = ctypes.create_string_buffer(content, len(content))
        self.call(self.runtime.cudaMemcpy, address, ctypes.addressof(source), len(content), kind)
        self.call(self.runtime.cudaStreamSynchronize, 0)  # the copy above may return before its last part is moved
