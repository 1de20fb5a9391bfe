"""Relate a GPU's clock to the host's by question and answer through pinned memory; the quickest round counts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dwdp_hw.executors.cuda.gpu import Gpu
from dwdp_hw.executors.cuda.kernels import Kernels
from dwdp_hw.executors.cuda.pinned import CLOCK_REPLY, CLOCK_REQUEST, CLOCK_STAMP, PinnedWords

if TYPE_CHECKING:
    from cuda.core import Stream

_ROUNDS = 200


@dataclass(frozen=True)
class ClockOffset:
    """Host time = GPU time − offset, give or take the uncertainty; nanoseconds."""

    offset_ns: int
    uncertainty_ns: int

    def host_s(self, gpu_ns: int) -> float:
        """A GPU's time stamp on the host's monotonic clock, in seconds."""
        return (gpu_ns - self.offset_ns) / 1e9


def read_offset(gpu: Gpu, kernels: Kernels, pinned: PinnedWords, stream: Stream) -> ClockOffset:
    """Ask the GPU for its time `_ROUNDS` times; the quickest answer bounds the error by half its duration.

    Raises:
        RankFault: The GPU did not answer in time.
    """
    words = pinned.words
    words[[CLOCK_REQUEST, CLOCK_REPLY, CLOCK_STAMP]] = 0
    timeout_ns = int(gpu.wait_s * 1e9)
    kernels.answer_clock(pinned.address(CLOCK_REQUEST), pinned.address(CLOCK_REPLY), _ROUNDS, timeout_ns, stream)
    gpu.place.at("reading the GPU's clock")
    deadline = time.monotonic() + gpu.wait_s
    best_ns, offset_ns = 1 << 62, 0
    for number in range(1, _ROUNDS + 1):
        asked = time.monotonic_ns()
        words[CLOCK_REQUEST] = number
        while words[CLOCK_REPLY] < number:
            if time.monotonic() > deadline:
                raise gpu.place.fault(f"the GPU's clock did not answer within {gpu.wait_s:g} s")
        answered = time.monotonic_ns()
        if answered - asked < best_ns:
            best_ns = answered - asked
            offset_ns = int(words[CLOCK_STAMP]) - (asked + answered) // 2
    gpu.finish(stream, "the end of the clock kernel")
    return ClockOffset(offset_ns, (best_ns + 1) // 2)
