"""The project's kernels: compiled with NVRTC, loaded before anything waits, launched with checked calls."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dwdp_hw.executors.cuda.gpu import Gpu
from dwdp_hw.executors.expected import Region

_NAMES = ("write_regions", "compare_regions", "gate", "signal", "spin", "answer_clock", "watch")
_BLOCKS, _THREADS = 264, 512  # two blocks for each of a Hopper's multiprocessors
_WATCH_THREADS = 64
_NONE_WRONG = (1 << 64) - 1
_REGION_SHIFT = 40
_MAX_GRID_Y = 65535


def compile_kernels(nvrtc: Any, architecture: str) -> bytes:
    """Machine code of `kernels.cu` for an architecture such as ``sm_90``.

    Raises:
        RuntimeError: The compiler refused; carries its log.
    """
    source = Path(__file__).with_name("kernels.cu").read_bytes()
    status, program = nvrtc.nvrtcCreateProgram(source, b"kernels.cu", 0, [], [])
    _check(nvrtc, status)
    (status,) = nvrtc.nvrtcCompileProgram(program, 1, [f"--gpu-architecture={architecture}".encode()])
    if int(status) != 0:
        _, size = nvrtc.nvrtcGetProgramLogSize(program)
        log = bytes(size)
        nvrtc.nvrtcGetProgramLog(program, log)
        raise RuntimeError(f"kernels.cu does not compile for {architecture}: {log.decode(errors='replace')}")
    status, size = nvrtc.nvrtcGetCUBINSize(program)
    _check(nvrtc, status)
    code = bytes(size)
    (status,) = nvrtc.nvrtcGetCUBIN(program, code)
    _check(nvrtc, status)
    return code


def _check(nvrtc: Any, status: Any) -> None:
    if int(status) != 0:
        raise RuntimeError(f"NVRTC failed: {status.name}")


class Kernels:
    """The kernels on one GPU. Each method launches one on a stream and returns at once unless it says that it waits."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        architecture = f"sm_{gpu.attribute('COMPUTE_CAPABILITY_MAJOR')}{gpu.attribute('COMPUTE_CAPABILITY_MINOR')}"
        self._code = compile_kernels(gpu.nvrtc, architecture)
        module = gpu.call(gpu.driver.cuModuleLoadData, self._code)
        self._functions = {name: gpu.call(gpu.driver.cuModuleGetFunction, module, name.encode()) for name in _NAMES}
        self._wrong = int(gpu.call(gpu.runtime.cudaMalloc, 8))
        self._load_everything()

    def _load_everything(self) -> None:
        """Launch each kernel once: a first launch may otherwise wait for kernels that spin."""
        gpu = self._gpu
        scratch = int(gpu.call(gpu.runtime.cudaMalloc, 4096))
        gpu.call(gpu.runtime.cudaMemset, scratch, 0, 4096)
        stream = gpu.stream()
        table = RegionTable(gpu, scratch + 1024, [Region(0, 64, 1, 0, 0)])
        self.write(table, 0, stream)
        self.compare(table, stream)
        self.gate(scratch, 1, 1, 0, 1000, scratch + 64, stream)
        self.signal(scratch, 0, stream)
        self.spin(1000, scratch + 64, stream)
        self.answer_clock(scratch, scratch + 64, 0, 1000, stream)
        self.watch(scratch + 128, 0, scratch + 256, 1000, scratch + 512, scratch + 576, stream)
        gpu.finish(stream, "the first launches")
        table.free()
        gpu.call(gpu.runtime.cudaFree, scratch)

    def write(self, table: RegionTable, flip: int, stream: int) -> None:
        """Write every region's content, exclusive-or `flip` (all ones: the poison)."""
        for address, count in table.parts():
            self._launch("write_regions", (_BLOCKS, count), _THREADS, stream, (address, _P), (flip, _U32))

    def compare(self, table: RegionTable, stream: int) -> tuple[int, int] | None:
        """Compare every region in full and wait: (region, offset) of the first wrong byte, or None."""
        base = 0
        for address, count in table.parts():
            self._gpu.write(self._wrong, b"\xff" * 8)
            self._launch("compare_regions", (_BLOCKS, count), _THREADS, stream, (address, _P), (self._wrong, _P))
            wrong = int.from_bytes(self._gpu.read(self._wrong, 8, stream), "little")
            if wrong != _NONE_WRONG:
                return base + (wrong >> _REGION_SHIFT), wrong & ((1 << _REGION_SHIFT) - 1)
            base += count
        return None

    def compare_later(self, table: RegionTable, wrong: int, stream: int) -> None:
        """Compare, leaving the packed result at address `wrong`, which must hold all ones."""
        for address, count in table.parts():
            self._launch("compare_regions", (_BLOCKS, count), _THREADS, stream, (address, _P), (wrong, _P))

    def gate(self, words: int, count: int, stride: int, value: int, timeout_ns: int, out: int, stream: int) -> None:
        """Hold `stream` until `count` words, `stride` words apart, have reached `value`; out: (opened ns, late)."""
        values = ((words, _P), (count, _U32), (stride, _U32), (value, _U64), (timeout_ns, _U64), (out, _P))
        self._launch("gate", (1, 1), 1, stream, *values)

    def signal(self, word: int, value: int, stream: int) -> None:
        """Set a word that gates of other processes read."""
        self._launch("signal", (1, 1), 1, stream, (word, _P), (value, _U64))

    def spin(self, duration_ns: int, out: int, stream: int) -> None:
        """Keep `stream` busy; out: (begin ns, end ns)."""
        self._launch("spin", (1, 1), 1, stream, (duration_ns, _U64), (out, _P))

    def answer_clock(self, request: int, reply: int, rounds: int, timeout_ns: int, stream: int) -> None:
        """Answer the host's requests with this GPU's clock."""
        values = ((request, _P), (reply, _P), (rounds, _U64), (timeout_ns, _U64))
        self._launch("answer_clock", (1, 1), 1, stream, *values)

    def watch(
        self, addresses: int, count: int, stamps: int, timeout_ns: int, looked: int, ready: int, stream: int
    ) -> None:
        """Stamp when the byte at each of `count` addresses changes."""
        values = ((addresses, _P), (count, _U32), (stamps, _P), (timeout_ns, _U64), (looked, _P), (ready, _P))
        self._launch("watch", (max(-(-count // _WATCH_THREADS), 1), 1), _WATCH_THREADS, stream, *values)

    def _launch(self, name: str, grid: tuple[int, int], threads: int, stream: int, *arguments: tuple[int, Any]) -> None:
        values = tuple(value for value, _ in arguments)
        types = tuple(kind for _, kind in arguments)
        function = self._functions[name]
        gpu = self._gpu
        gpu.call(gpu.driver.cuLaunchKernel, function, *grid, 1, threads, 1, 1, 0, stream, (values, types), 0)


_P, _U32, _U64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64


class RegionTable:
    """Regions with absolute addresses, in GPU memory."""

    def __init__(self, gpu: Gpu, base: int, regions: Sequence[Region]) -> None:
        self._gpu = gpu
        self.regions = list(regions)
        rows = [(base + r.offset, r.size, r.src_offset, r.seed) for r in regions]
        content = np.array(rows, dtype=np.uint64).tobytes()
        self._address = int(gpu.call(gpu.runtime.cudaMalloc, len(content)))
        gpu.write(self._address, content)

    def parts(self) -> list[tuple[int, int]]:
        """(address, regions) of launches that fit the grid."""
        starts = range(0, len(self.regions), _MAX_GRID_Y)
        return [(self._address + 32 * start, min(_MAX_GRID_Y, len(self.regions) - start)) for start in starts]

    def free(self) -> None:
        """Give the memory back."""
        self._gpu.call(self._gpu.runtime.cudaFree, self._address)
