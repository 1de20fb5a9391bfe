"""A CUDA driver without a GPU: `cuda.core`, `cuda.bindings` and libcuda over host memory, one thread a stream.

Addresses are real, copies move bytes, gates poll words, and a stream takes about as many commands as a real one. What
is allocated, mapped or registered stands in `live` until it is given back; what a driver was asked for, in `log`.
"""

from __future__ import annotations

import ctypes
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from dwdp_hw.executors.cuda import kernels as kernels_module
from tests.dwdp_hw.executors.cuda.fake_bindings import CONSTANTS, DRIVER, RUNTIME
from tests.dwdp_hw.executors.cuda.fake_kernels import KERNELS
from tests.dwdp_hw.executors.cuda.fake_memory import Memory
from tests.dwdp_hw.executors.cuda.fake_stream import CoreError, Event, Status, Stream

_SOURCE = Path(kernels_module.__file__).with_name("kernels.cu").read_text()
_C_TYPES = {"u32": ctypes.c_uint32, "u64": int}


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
        self._handles = count(0x1000)
        self._counts: dict[str, Iterator[int]] = {}  # an iterator counts in one step, also between threads
        self.memory = Memory()
        self._prototypes: list[Any] = []  # kept alive for C

    @property
    def live(self) -> Counter[str]:
        return self.memory.live

    def note_call(self, name: str, *, core: bool = False) -> bool:
        """Note a call; whether it shall fail. cuda.core raises, the bindings return a code."""
        failing = next(self._counts.setdefault(name, count())) >= self.fails.get(name, 1 << 60)
        if failing and core:
            raise CoreError(f"CUDA_{Status.ERROR_LAUNCH_FAILURE.name}: the GPU is lost. Common causes include a test.")
        return failing

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make it the CUDA of this process."""
        modules = {"runtime": self._bindings(RUNTIME), "driver": self._bindings(DRIVER)}
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

    def give(self, kind: str, address: int) -> None:
        """Take memory back when nothing of this rank's uses it any more, as CUDA does."""
        self.drain()
        self.memory.forget(kind, address)

    def drain(self) -> None:
        """Wait until every stream of the calling rank is empty."""
        for stream in list(self.streams.values()):
            if stream.rank == threading.get_ident():
                stream.drain()

    def stop(self) -> None:
        """End the streams' threads."""
        for stream in self.streams.values():
            stream.stop()

    def stream(self) -> Stream:
        """A new stream."""
        self.note_call("cuStreamCreate", core=True)
        handle = next(self._handles)
        self.streams[handle] = Stream(self, handle)
        return self.streams[handle]

    def _event(self, timed: bool) -> Event:
        assert timed
        self.note_call("cuEventCreate", core=True)
        return Event(self)

    def _launch(self, stream: Stream, config: tuple[Any, Any], kernel: tuple[str, list[Any]], *arguments: Any) -> None:
        name, parameters = kernel
        self.note_call(f"cuLaunchKernel of {name}", core=True)
        assert [type(argument) for argument in arguments] == parameters, f"{name} takes {parameters}"
        values = [int(getattr(argument, "value", argument)) for argument in arguments]
        grid = config[0] if isinstance(config[0], tuple) else (config[0], 1)
        stream.take(name, lambda: KERNELS[name](grid[1], *values))

    def _bindings(self, functions: dict[str, Callable[..., Any]]) -> ModuleType:
        module: Any = ModuleType("cuda.bindings")
        names = SimpleNamespace(cudaSuccess=Status.SUCCESS, cudaErrorNotReady=Status.ERROR_NOT_READY)
        module.cudaError_t, module.CUresult = names, Status
        for name, value in CONSTANTS.items():
            setattr(module, name, value)
        for name, function in functions.items():
            setattr(module, name, self._checked(name, function))
        return module

    def _checked(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> tuple[Any, ...]:
            if self.note_call(name):
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
            if self.note_call("cuMemcpyBatchAsync"):
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
