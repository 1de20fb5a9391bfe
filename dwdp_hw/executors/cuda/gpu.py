"""CUDA calls of one rank on one GPU, every error a fault of that rank. Importing this needs no CUDA; `Gpu` does."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import operator
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dwdp_hw.group.faults import NoGpuError, RankFault, Whereabouts

if TYPE_CHECKING:
    from cuda.core import Event, Stream

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
        """The reason why cudaMemcpyBatchAsync cannot be used here; None if it can."""
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
    runtime = _module("cuda.bindings.runtime", "cuda-python")
    status, count = runtime.cudaGetDeviceCount()
    if status != runtime.cudaError_t.cudaSuccess:
        raise NoGpuError(f"no usable NVIDIA driver or GPU (cudaGetDeviceCount: {status.name})")
    if count == 0:
        raise NoGpuError("no NVIDIA GPU is visible")
    return int(count)


def _module(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NoGpuError(f'{package} is not installed ({error}): pip install "dwdp-toolkit[hw]"') from error


@contextmanager
def giving_back() -> Iterator[ExitStack]:
    """An `ExitStack` that raises the block's own error, also where giving back what the block took fails too."""
    taken = ExitStack()
    try:
        yield taken
    except BaseException as error:
        with suppress(RankFault):  # a lost GPU takes nothing back; the first error says why
            taken.__exit__(type(error), error, error.__traceback__)
        raise
    taken.close()


class Gpu:
    """One GPU as one rank uses it: streams, events and kernels of cuda.core, and checked calls of what it lacks.

    Attributes:
        core: The module cuda.core.
        runtime, driver: Modules of cuda-bindings.
        device: The GPU as cuda.core's `Device`.
        place: Where this rank is; every call notes itself there.
        ordinal: CUDA's number of the GPU.
        wait_s: How long any wait for the GPU may take, in seconds.
        versions: Of driver, runtime and bindings.
    """

    def __init__(self, ordinal: int, place: Whereabouts, wait_s: float) -> None:
        self.runtime = _module("cuda.bindings.runtime", "cuda-python")
        self.driver = _module("cuda.bindings.driver", "cuda-python")
        self.core = _module("cuda.core", "cuda-core")
        self.place = place
        self.ordinal = ordinal
        self.wait_s = wait_s
        self.device = self.do("cuDevicePrimaryCtxRetain", self._open_device)
        self.versions = Versions(
            driver=self.call(self.runtime.cudaDriverGetVersion),
            runtime=self.call(self.runtime.cudaRuntimeGetVersion),
            bindings=importlib.metadata.version("cuda-bindings"),
        )

    def _open_device(self) -> Any:
        device = self.core.Device(self.ordinal)
        device.set_current()
        return device

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

    def do(self, call: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of cuda.core; `call` says in CUDA's words what it does.

        Raises:
            RankFault: It failed; names call, rank and error.
        """
        self.place.at(call)
        try:
            return function(*arguments)
        except Exception as error:  # cuda.core has no public class for its errors
            raise self.place.fault(f"{call} failed: {_first_sentence(error)}") from error

    @property
    def name(self) -> str:
        """Name of the GPU."""
        return str(self.device.name)

    @property
    def bus_id(self) -> str:
        """PCI bus address, unique on a host, as NVML wants it."""
        return str(self.device.pci_bus_id)

    def allocate(self, size: int) -> int:
        """The address of `size` new bytes of GPU memory."""
        return int(self.call(self.runtime.cudaMalloc, size))

    def free(self, address: int) -> None:
        """Give memory of `allocate` back."""
        self.call(self.runtime.cudaFree, address)

    def stream(self) -> Stream:
        """A new stream that does not wait for the default stream."""
        return self.do("cuStreamCreate", self.device.create_stream)

    def event(self) -> Event:
        """A new event that takes times."""
        return self.do("cuEventCreate", self.device.create_event, self.core.EventOptions(timing_enabled=True))

    def record(self, event: Event, stream: Stream) -> None:
        """Record `event` on `stream`."""
        self.do("cuEventRecord", stream.record, event)

    def hold(self, stream: Stream, event: Event) -> None:
        """Let what `stream` takes from now on wait for `event`."""
        self.do("cuStreamWaitEvent", stream.wait, event)

    def between_s(self, first: Event, second: Event) -> float:
        """Seconds between two recorded events."""
        return float(self.do("cuEventElapsedTime", operator.sub, second, first)) / 1e3

    def wait_event(self, event: Event, what: str) -> None:
        """Wait until `event` has happened.

        Raises:
            RankFault: Not within `wait_s`.
        """
        deadline = time.monotonic() + self.wait_s
        self.place.at(what)
        while not _is_done(self.place, event):
            if time.monotonic() > deadline:
                raise self.place.fault(f"the GPU did not finish within {self.wait_s:g} s")
            time.sleep(_QUERY_INTERVAL_S)

    def finish(self, stream: Stream, what: str) -> None:
        """Wait until everything on `stream` is done, at most `wait_s`."""
        event = self.event()
        self.record(event, stream)
        self.wait_event(event, what)
        event.close()

    def read(self, address: int, size: int, stream: Stream) -> bytes:
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


def _is_done(place: Whereabouts, event: Event) -> bool:
    """Whether `event` has happened. The rank stays where it waits, so that others see for how long."""
    try:
        return bool(event.is_done)
    except Exception as error:  # as in `do`
        place.at("cuEventQuery")
        raise place.fault(f"cuEventQuery failed: {_first_sentence(error)}") from error


def _first_sentence(error: Exception) -> str:
    """CUDA's words for an error, without the advice that it adds to any of its kind."""
    return str(error).partition(". ")[0]
