"""The words of pinned memory that a host and its kernels share, and the map of who uses which."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np

from dwdp_hw.executors.cuda.gpu import Gpu

if TYPE_CHECKING:
    from cuda.core import Stream

# Words of pinned memory; a cache line holds eight.
CLOCK_REQUEST = 0  # clock.py: number of the host's question
CLOCK_REPLY, CLOCK_STAMP = 8, 9  # clock.py: number of the GPU's answer, and its time
SLICES_SEEN = 12  # slice_watch.py: every slice has been looked at once
OWN_GO = 13  # timed_run.py: opens the gate that holds this rank alone
_WORDS = 16


class PinnedWords:
    """64-bit words in pinned host memory that the GPU sees too, zero at first.

    Attributes:
        words: The words as the host reads and writes them, shape (16,).
    """

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._address = int(gpu.call(gpu.runtime.cudaHostAlloc, 8 * _WORDS, gpu.runtime.cudaHostAllocMapped))
        self.words = np.ctypeslib.as_array((ctypes.c_uint64 * _WORDS).from_address(self._address))
        self.words[:] = 0

    def address(self, word: int) -> int:
        """Return the address at which the GPU finds a word of the map."""
        return self._address + 8 * word

    def free(self) -> None:
        """Give the memory back."""
        self._gpu.call(self._gpu.runtime.cudaFreeHost, self._address)


class KernelReports:
    """GPU memory in which kernels leave two words each.

    Attributes:
        gate: Address of what a run's gate leaves: when it opened in nanoseconds, and 1 if that was by its time-out.
        barrier: Address of the same of the last gate between waves.
        spin: Address of a spinning kernel's begin and end in nanoseconds.
    """

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self.gate = gpu.allocate(48)
        self.barrier, self.spin = self.gate + 16, self.gate + 32
        gpu.write(self.gate, b"\0" * 48)

    def read_gates(self, stream: Stream) -> tuple[int, bool]:
        """Wait for `stream`; return when the run's gate opened, and whether a gate opened by its time-out."""
        opened_ns, late, _barrier_ns, barrier_late = np.frombuffer(self._gpu.read(self.gate, 32, stream), np.uint64)
        return int(opened_ns), bool(late) or bool(barrier_late)

    def free(self) -> None:
        """Give the memory back."""
        self._gpu.free(self.gate)
