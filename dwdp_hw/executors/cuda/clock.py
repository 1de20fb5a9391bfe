"""A GPU's clock on the host's: question and answer through pinned memory, keeping the quickest round."""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass

import numpy as np

from dwdp_hw.executors.cuda.gpu import Gpu
from dwdp_hw.executors.cuda.kernels import Kernels

_ROUNDS = 200
_REQUEST, _REPLY, _STAMP = 0, 8, 9  # words of pinned memory; requests and replies in cache lines of their own


@dataclass(frozen=True)
class ClockOffset:
    """Host time = GPU time − offset, give or take the uncertainty; nanoseconds."""

    offset_ns: int
    uncertainty_ns: int

    def host_s(self, gpu_ns: int) -> float:
        """A GPU's time stamp on the host's monotonic clock, in seconds."""
        return (gpu_ns - self.offset_ns) / 1e9


class PinnedWords:
    """64-bit words in pinned host memory that a GPU sees too."""

    def __init__(self, gpu: Gpu, count: int) -> None:
        self._gpu = gpu
        flags = gpu.runtime.cudaHostAllocMapped
        self.address = int(gpu.call(gpu.runtime.cudaHostAlloc, 8 * count, flags))
        content = (ctypes.c_uint64 * count).from_address(self.address)
        self.words = np.ctypeslib.as_array(content)
        self.words[:] = 0

    def free(self) -> None:
        """Give the memory back."""
        self._gpu.call(self._gpu.runtime.cudaFreeHost, self.address)


def read_offset(gpu: Gpu, kernels: Kernels, pinned: PinnedWords, stream: int) -> ClockOffset:
    """Ask the GPU for its time `_ROUNDS` times; the quickest answer bounds the error by half its duration."""
    words = pinned.words
    words[: _STAMP + 1] = 0
    timeout_ns = int(gpu.wait_s * 1e9)
    kernels.answer_clock(pinned.address + 8 * _REQUEST, pinned.address + 8 * _REPLY, _ROUNDS, timeout_ns, stream)
    gpu.place.at("reading the GPU's clock")
    deadline = time.monotonic() + gpu.wait_s
    best_ns, offset_ns = 1 << 62, 0
    for number in range(1, _ROUNDS + 1):
        asked = time.monotonic_ns()
        words[_REQUEST] = number
        while words[_REPLY] < number:
            if time.monotonic() > deadline:
                raise gpu.place.fault(f"the GPU's clock did not answer within {gpu.wait_s:g} s")
        answered = time.monotonic_ns()
        if answered - asked < best_ns:
            best_ns = answered - asked
            offset_ns = int(words[_STAMP]) - (asked + answered) // 2
    gpu.finish(stream, "the end of the clock kernel")
    return ClockOffset(offset_ns, (best_ns + 1) // 2)
