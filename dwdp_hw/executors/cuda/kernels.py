"""The project's kernels: compiled by cuda.core, loaded before anything waits, launched with checked calls."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dwdp_hw.executors.cuda.gpu import Gpu
from dwdp_hw.executors.expected import Region

if TYPE_CHECKING:
    from cuda.core import Stream

_NAMES = ("write_regions", "compare_regions", "gate", "signal", "spin", "answer_clock", "watch")
_BLOCKS, _THREADS = 264, 512  # two blocks for each of a Hopper's multiprocessors
_WATCH_THREADS = 64
_MAX_GRID_Y = 65535
_FLIPPED = 0xFFFFFFFF
_U32 = ctypes.c_uint32
NONE_WRONG = b"\xff" * 8  # where comparing kernels leave a wrong byte's place, lowest first
_REGION_SHIFT = 40


def place_of_wrong(word: bytes) -> tuple[int, int] | None:
    """The (region, offset) that comparing kernels left in eight bytes; None if every byte was right."""
    packed = int.from_bytes(word, "little")
    return None if word == NONE_WRONG else (packed >> _REGION_SHIFT, packed & ((1 << _REGION_SHIFT) - 1))


class Kernels:
    """The kernels on one GPU. Each method launches one on a stream and returns at once unless it says that it waits."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        code = gpu.do("nvrtcCompileProgram", self._compile)
        self._kernels = {name: gpu.do("cuLibraryGetKernel", code.get_kernel, name) for name in _NAMES}
        self._one_thread = gpu.core.LaunchConfig(grid=1, block=1)
        self._wrong = gpu.allocate(8)
        self._load_everything()

    def _compile(self) -> Any:
        core, source = self._gpu.core, Path(__file__).with_name("kernels.cu")
        options = core.ProgramOptions(name=source.name, arch=f"sm_{self._gpu.device.arch}")
        return core.Program(source.read_text(encoding="utf-8"), "c++", options).compile("cubin")

    def _load_everything(self) -> None:
        """Launch each kernel once: a first launch may otherwise wait for kernels that spin."""
        gpu = self._gpu
        scratch = gpu.allocate(4096)
        gpu.call(gpu.runtime.cudaMemset, scratch, 0, 4096)
        stream = gpu.stream()
        table = RegionTable(gpu, scratch + 1024, [Region(0, 64, 1, 0, 0)])
        self.write(table, stream)
        self.compare(table, stream)
        self.gate(scratch, 1, 1, 0, 1000, scratch + 64, stream)
        self.signal(scratch, 0, stream)
        self.spin(1000, scratch + 64, stream)
        self.answer_clock(scratch, scratch + 64, 0, 1000, stream)
        self.watch(scratch + 128, 0, scratch + 256, 1000, scratch + 512, scratch + 576, stream)
        gpu.finish(stream, "the first launches")
        table.free()
        gpu.free(scratch)

    def close(self) -> None:
        """Free what comparing kernels write."""
        self._gpu.free(self._wrong)

    def write(self, table: RegionTable, stream: Stream) -> None:
        """Write every region's content."""
        self._write(table, 0, stream)

    def poison(self, table: RegionTable, stream: Stream) -> None:
        """Make every byte of the regions wrong: the complement of their content."""
        self._write(table, _FLIPPED, stream)

    def _write(self, table: RegionTable, flip: int, stream: Stream) -> None:
        for address, count in table.parts():
            self._launch("write_regions", self._for_regions(count), stream, address, _U32(flip))

    def compare(self, table: RegionTable, stream: Stream) -> tuple[int, int] | None:
        """Compare every region in full and wait: (region, offset) of the first wrong byte, or None."""
        base = 0
        for address, count in table.parts():
            self._gpu.write(self._wrong, NONE_WRONG)
            self._launch("compare_regions", self._for_regions(count), stream, address, self._wrong)
            wrong = place_of_wrong(self._gpu.read(self._wrong, 8, stream))
            if wrong is not None:
                return base + wrong[0], wrong[1]
            base += count
        return None

    def compare_later(self, table: RegionTable, wrong: int, stream: Stream) -> None:
        """Compare, leaving the place of a wrong byte at address `wrong`, which must hold `NONE_WRONG`."""
        for address, count in table.parts():
            self._launch("compare_regions", self._for_regions(count), stream, address, wrong)

    def gate(self, words: int, count: int, stride: int, value: int, timeout_ns: int, out: int, stream: Stream) -> None:
        """Hold `stream` until `count` words, `stride` words apart, have reached `value`; out: (opened ns, late)."""
        self._launch("gate", self._one_thread, stream, words, _U32(count), _U32(stride), value, timeout_ns, out)

    def signal(self, word: int, value: int, stream: Stream) -> None:
        """Set a word that gates of other processes read."""
        self._launch("signal", self._one_thread, stream, word, value)

    def spin(self, duration_ns: int, out: int, stream: Stream) -> None:
        """Keep `stream` busy; out: (begin ns, end ns)."""
        self._launch("spin", self._one_thread, stream, duration_ns, out)

    def answer_clock(self, request: int, reply: int, rounds: int, timeout_ns: int, stream: Stream) -> None:
        """Answer the host's requests with this GPU's clock."""
        self._launch("answer_clock", self._one_thread, stream, request, reply, rounds, timeout_ns)

    def watch(
        self, addresses: int, count: int, stamps: int, timeout_ns: int, looked: int, ready: int, stream: Stream
    ) -> None:
        """Stamp when the byte at each of `count` addresses changes."""
        config = self._gpu.core.LaunchConfig(grid=max(-(-count // _WATCH_THREADS), 1), block=_WATCH_THREADS)
        self._launch("watch", config, stream, addresses, _U32(count), stamps, timeout_ns, looked, ready)

    def _for_regions(self, count: int) -> Any:
        return self._gpu.core.LaunchConfig(grid=(_BLOCKS, count), block=_THREADS)

    def _launch(self, name: str, config: Any, stream: Stream, *arguments: Any) -> None:
        """A Python integer is passed as eight bytes: an address or a u64."""
        gpu = self._gpu
        gpu.do(f"cuLaunchKernel of {name}", gpu.core.launch, stream, config, self._kernels[name], *arguments)


class RegionTable:
    """Regions with absolute addresses, in GPU memory."""

    def __init__(self, gpu: Gpu, base: int, regions: Sequence[Region]) -> None:
        self._gpu = gpu
        self.regions = list(regions)
        rows = [(base + r.offset, r.size, r.src_offset, r.seed) for r in regions]
        content = np.array(rows, dtype=np.uint64).tobytes()
        self._address = gpu.allocate(len(content))
        gpu.write(self._address, content)

    def parts(self) -> list[tuple[int, int]]:
        """(address, regions) of launches that fit the grid."""
        starts = range(0, len(self.regions), _MAX_GRID_Y)
        return [(self._address + 32 * start, min(_MAX_GRID_Y, len(self.regions) - start)) for start in starts]

    def free(self) -> None:
        """Give the memory back."""
        self._gpu.free(self._address)
