"""A CUDA driver without a GPU: `cuda.core`, `cuda.bindings` and libcuda over host memory, one thread a stream.

Addresses are real, copies move bytes, gates poll words, and a stream takes about as many commands as a real one. What
is allocated, mapped or registered stands in `live` until it is given back; what a driver was asked for, in `log`.
"""

from __future__ import annotations

import ctypes
import queue
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from dwdp_hw.executors.cuda import kernels as kernels_module
from tests.dwdp_hw.executors.cuda.fake_kernels import KERNELS
from tests.dwdp_hw.executors.cuda.fake_memory import Memory

STREAM_HOLDS = 1000  # commands
_SOURCE = Path(kernels_module.__file__).with_name("kernels.cu").read_text()
_C_TYPES = {"u32": ctypes.c_uint32, "u64": int}


class Status(IntEnum):
    """Of runtime and driver alike."""

    SUCCESS = 0
    ERROR_INVALID_VALUE = 1
    ERROR_NOT_READY = 600
    ERROR_LAUNCH_FAILURE = 719


class CoreError(Exception):
    """What cuda.core raises."""


class Stream:
    """Runs commands in order on a thread of its own, each when the one before has ended."""

    def __init__(self, cuda: FakeCuda, handle: int) -> None:
        self._cuda, self.handle = cuda, handle
        self.order: list[str] = []
        self._commands: queue.Queue[Callable[[], None]] = queue.Queue(STREAM_HOLDS)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            command = self._commands.get()
            try:
                command()
            except Exception as error:
                self._cuda.broken.append(error)

    def take(self, name: str, command: Callable[[], None]) -> None:
        """Queue a command; a full stream whose gate only this host could open would wait for ever."""
        try:
            self._commands.put(command, timeout=2.0)
        except queue.Full:
            raise AssertionError(f"{name} waits behind a closed gate: the stream is full") from None
        self.order.append(name)

    def record(self, event: Event) -> None:
        """See cuda.core."""
        self._cuda.count("cuEventRecord", core=True)
        event.happened.clear()
        self.take("record", event.happen)

    def wait(self, event: Event) -> None:
        """See cuda.core."""
        self._cuda.count("cuStreamWaitEvent", core=True)
        self.take("wait", event.happened.wait)


class Event:
    """A moment on a stream."""

    def __init__(self, cuda: FakeCuda) -> None:
        self._cuda, self.at_s, self.happened = cuda, 0.0, threading.Event()

    def happen(self) -> None:
        """Stamp it."""
        self.at_s = time.monotonic()
        self.happened.set()

    @property
    def is_done(self) -> bool:
        """See cuda.core."""
        self._cuda.count("cuEventQuery", core=True)
        return self.happened.is_set()

    def __sub__(self, other: Event) -> float:
        return (self.at_s - other.at_s) * 1e3

    def close(self) -> None:
        """See cuda.core."""


class FakeCuda:
    """One driver for all ranks of a test.

    Attributes:
        version: Of driver and runtime, 12090 or 13000; decides the signatures of batched copies.
        fails: Names of calls that fail, each with how many calls of it go well before.
        live: What has been taken and not given back, by kind.
        log: Batched and single copies as the driver was asked for them.
    """

    def __init__(self, version: int) -> None:
        self.version = version
        self.fails: dict[str, int] = {}
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.broken: list[Exception] = []
        self.streams: dict[int, Stream] = {}
        self._counts: Counter[str] = Counter()
        self.memory = Memory()
        self._prototypes: list[Any] = []  # kept alive for C

    @property
    def live(self) -> Counter[str]:
        return +self.memory.live

    def count(self, name: str, *, core: bool = False) -> bool:
        """Note a call; whether it shall fail. cuda.core raises, the bindings return a code."""
        failing = self._counts[name] >= self.fails.get(name, 1 << 60)
        self._counts[name] += 1
        if failing and core:
            raise CoreError(f"CUDA_{Status.ERROR_LAUNCH_FAILURE.name}: the GPU is lost")
        return failing

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make it the CUDA of this process."""
        modules = {"runtime": self._bindings(_RUNTIME), "driver": self._bindings(_DRIVER)}
        for name, module in modules.items():
            monkeypatch.setitem(sys.modules, f"cuda.bindings.{name}", module)
        monkeypatch.setitem(sys.modules, "cuda.core", self._core())
        monkeypatch.setitem(sys.modules, "pynvml", None)
        monkeypatch.setattr("importlib.metadata.version", lambda _package: "fake")
        real, library = ctypes.CDLL, self._library()
        monkeypatch.setattr(ctypes, "CDLL", lambda name: library if name == "libcuda.so.1" else real(name))

    def _core(self) -> ModuleType:
        core: Any = ModuleType("cuda.core")
        core.Device = lambda ordinal: SimpleNamespace(
            name="fake GPU",
            pci_bus_id=f"0000:0{ordinal}:00.0",
            arch="90",
            properties=SimpleNamespace(
                async_engine_count=3,
                handle_type_posix_file_descriptor_supported=True,
                handle_type_fabric_supported=False,
            ),
            set_current=lambda: None,
            create_stream=self.stream,
            create_event=self._event,
        )
        core.EventOptions = lambda timing_enabled: timing_enabled
        core.ProgramOptions = lambda name, arch: (name, arch)
        core.LaunchConfig = lambda grid, block: (grid, block)
        core.Program = lambda text, kind, options: SimpleNamespace(
            compile=lambda target: SimpleNamespace(get_kernel=lambda name: (name, parameters_of(name)))
        )
        core.launch = self._launch
        return core

    def stream(self) -> Stream:
        """A new stream."""
        self.count("cuStreamCreate", core=True)
        handle = 0x1000 + len(self.streams)
        self.streams[handle] = Stream(self, handle)
        return self.streams[handle]

    def _event(self, timed: bool) -> Event:
        assert timed
        self.count("cuEventCreate", core=True)
        return Event(self)

    def _launch(self, stream: Stream, config: tuple[Any, Any], kernel: tuple[str, list[Any]], *arguments: Any) -> None:
        name, parameters = kernel
        self.count(f"cuLaunchKernel of {name}", core=True)
        assert [type(argument) for argument in arguments] == parameters, f"{name} takes {parameters}"
        values = [int(getattr(argument, "value", argument)) for argument in arguments]
        grid = config[0] if isinstance(config[0], tuple) else (config[0], 1)
        stream.take(name, lambda: KERNELS[name](grid[1], *values))

    def _bindings(self, functions: dict[str, Callable[..., Any]]) -> ModuleType:
        module: Any = ModuleType("cuda.bindings")
        names = SimpleNamespace(cudaSuccess=Status.SUCCESS, cudaErrorNotReady=Status.ERROR_NOT_READY)
        module.cudaError_t, module.CUresult = names, Status
        for name, value in _CONSTANTS.items():
            setattr(module, name, value)
        for name, function in functions.items():
            setattr(module, name, self._checked(name, function))
        return module

    def _checked(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> tuple[Any, ...]:
            if self.count(name):
                # The count of values a binding returns beside the status stays the same when it fails.
                return (Status.ERROR_LAUNCH_FAILURE, *((3,) if self._reports_index(name) else ()))
            found = function(self, *arguments)
            if self._reports_index(name):
                return (Status.SUCCESS, (1 << 64) - 1)
            return (Status.SUCCESS,) if found is None else (Status.SUCCESS, found)

        call.__name__ = name
        return call

    def _reports_index(self, name: str) -> bool:
        return name == "cudaMemcpyBatchAsync" and self.version < 13000

    def copy(self, stream: int, dsts: list[int], srcs: list[int], sizes: list[int], name: str, **seen: Any) -> None:
        """Log a call and queue its copies as one command."""
        self.log.append((name, {"dsts": dsts, "srcs": srcs, "sizes": sizes, "stream": stream, **seen}))

        def move() -> None:
            for dst, src, size in zip(dsts, srcs, sizes, strict=True):
                ctypes.memmove(dst, src, size)

        self.streams[stream].take("copy", move)

    def _library(self) -> Any:
        """libcuda.so.1: functions with the C signatures of CUDA's headers, called through the C calling convention."""
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        head = (pointer, pointer, pointer, size, pointer, pointer, size)

        def batch(
            dsts: int, srcs: int, sizes: int, count: int, attributes: int, first: int, number: int, *tail: int
        ) -> int:
            if self.count("cuMemcpyBatchAsync"):
                return int(Status.ERROR_LAUNCH_FAILURE)
            columns = [list((ctypes.c_uint64 * count).from_address(address)) for address in (dsts, srcs, sizes)]
            seen = {
                "attributes": list((ctypes.c_int * (6 * number)).from_address(attributes)),
                "first": list((ctypes.c_size_t * number).from_address(first)),
            }
            if len(tail) == 2:
                ctypes.c_size_t.from_address(tail[0]).value = (1 << 64) - 1
            self.copy(tail[-1], *columns, "cuMemcpyBatchAsync", **seen)
            return 0

        newer = self.version >= 13000
        name, tail = ("cuMemcpyBatchAsync_v2", (pointer,)) if newer else ("cuMemcpyBatchAsync", (pointer, pointer))
        function = ctypes.CFUNCTYPE(ctypes.c_int, *head, *tail)(batch)
        self._prototypes.append(function)
        return SimpleNamespace(**{name: function})


def parameters_of(kernel: str) -> list[Any]:
    """The Python types whose sizes are those of a kernel's parameters in `kernels.cu`."""
    found = re.search(rf'extern "C" __global__ void {kernel}\(([^)]*)\)', _SOURCE)
    assert found is not None, f"no kernel {kernel}"
    return [int if "*" in one else _C_TYPES[one.split()[-2]] for one in found[1].split(",")]


def _list_batch(
    cuda: FakeCuda, dsts: Any, srcs: Any, sizes: Any, count: int, attributes: Any, first: Any, number: int, stream: int
) -> None:
    assert len(dsts) == len(srcs) == len(sizes) == count
    assert len(attributes) == len(first) == number == 1
    seen = {"attributes": attributes[0].srcAccessOrder, "first": first}
    cuda.copy(stream, list(dsts), list(srcs), list(sizes), "cudaMemcpyBatchAsync", **seen)


def _nothing(_found: object) -> None:
    return None


def _open_ipc(cuda: FakeCuda, handle: Any, _flags: int) -> int:
    return cuda.memory.note("ipc", int.from_bytes(handle.reserved, "little"))


_RUNTIME: dict[str, Callable[..., Any]] = {
    "cudaGetDeviceCount": lambda cuda: 8,
    "cudaDriverGetVersion": lambda cuda: cuda.version,
    "cudaRuntimeGetVersion": lambda cuda: cuda.version,
    "cudaMemGetInfo": lambda cuda: (1 << 40, 1 << 40),
    "cudaMalloc": lambda cuda, size: cuda.memory.take("device", size),
    "cudaFree": lambda cuda, address: cuda.memory.give("device", address),
    "cudaHostAlloc": lambda cuda, size, flags: cuda.memory.take("host", size),
    "cudaFreeHost": lambda cuda, address: cuda.memory.give("host", address),
    "cudaHostRegister": lambda cuda, address, size, flags: _nothing(cuda.memory.note("registered", address)),
    "cudaHostUnregister": lambda cuda, address: cuda.memory.forget("registered", address),
    "cudaHostGetDevicePointer": lambda cuda, address, flags: address,
    "cudaIpcGetMemHandle": lambda cuda, address: SimpleNamespace(reserved=address.to_bytes(8, "little")),
    "cudaIpcOpenMemHandle": _open_ipc,
    "cudaIpcCloseMemHandle": lambda cuda, address: cuda.memory.forget("ipc", address),
    "cudaMemset": lambda cuda, address, value, size: _nothing(ctypes.memset(address, value, size)),
    "cudaMemcpy": lambda cuda, dst, src, size, kind: _nothing(ctypes.memmove(dst, src, size)),
    "cudaStreamSynchronize": lambda cuda, stream: None,
    "cudaMemcpyAsync": lambda cuda, dst, src, size, kind, stream: cuda.copy(
        stream, [dst], [src], [size], "cudaMemcpyAsync", kind=kind
    ),
    "cudaMemcpyBatchAsync": _list_batch,
}
_DRIVER: dict[str, Callable[..., Any]] = {
    "cuMemGetAllocationGranularity": lambda cuda, properties, flag: 1 << 16,
    "cuMemCreate": lambda cuda, size, properties, flags: cuda.memory.create(size),
    "cuMemRelease": lambda cuda, handle: cuda.memory.release(handle),
    "cuMemExportToShareableHandle": lambda cuda, handle, kind, flags: cuda.memory.export(handle),
    "cuMemImportFromShareableHandle": lambda cuda, exported, kind: cuda.memory.take_in(exported),
    "cuMemAddressReserve": lambda cuda, size, alignment, address, flags: cuda.memory.reserve(size),
    "cuMemAddressFree": lambda cuda, address, size: cuda.memory.unreserve(address, size),
    "cuMemMap": lambda cuda, address, size, offset, handle, flags: cuda.memory.map(address, size, handle),
    "cuMemUnmap": lambda cuda, address, size: cuda.memory.unmap(address, size),
    "cuMemSetAccess": lambda cuda, address, size, access, count: None,
}
_CONSTANTS: dict[str, Any] = {
    "cudaHostAllocMapped": 2,
    "cudaHostAllocPortable": 1,
    "cudaHostRegisterMapped": 2,
    "cudaIpcMemLazyEnablePeerAccess": 1,
    "cudaIpcMemHandle_t": SimpleNamespace,
    "cudaMemcpyKind": SimpleNamespace(cudaMemcpyDefault=4, cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2),
    "cudaMemcpyAttributes": SimpleNamespace,
    "cudaMemcpySrcAccessOrder": SimpleNamespace(cudaMemcpySrcAccessOrderStream=1),
    "CUmemAllocationHandleType": SimpleNamespace(
        CU_MEM_HANDLE_TYPE_FABRIC=8, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR=1
    ),
    "CUmemAllocationGranularity_flags": SimpleNamespace(CU_MEM_ALLOC_GRANULARITY_MINIMUM=0),
    "CUmemAllocationType": SimpleNamespace(CU_MEM_ALLOCATION_TYPE_PINNED=1),
    "CUmemLocationType": SimpleNamespace(CU_MEM_LOCATION_TYPE_DEVICE=1),
    "CUmemAccess_flags": SimpleNamespace(CU_MEM_ACCESS_FLAGS_PROT_READWRITE=3),
    "CUmemAllocationProp": lambda: SimpleNamespace(location=SimpleNamespace()),
    "CUmemAccessDesc": lambda: SimpleNamespace(location=SimpleNamespace()),
}
