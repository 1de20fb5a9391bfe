"""Watch single slices arrive: a kernel that stamps the moment at which each slice's last byte changes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from dwdp_hw.executors.cuda.gpu import Gpu
from dwdp_hw.executors.cuda.kernels import Kernels
from dwdp_hw.executors.cuda.pinned import SLICES_SEEN, PinnedWords

if TYPE_CHECKING:
    from cuda.core import Stream


class SliceWatch:
    """One use: `start` before the copies can run, `arrival_ns` after they are done."""

    def __init__(
        self,
        gpu: Gpu,
        kernels: Kernels,
        pinned: PinnedWords,
        stream: Stream,
        last_bytes: np.ndarray[Any, np.dtype[np.uint64]],
    ) -> None:
        self._gpu, self._kernels, self._pinned, self._stream = gpu, kernels, pinned, stream
        self._count = len(last_bytes)
        size = max(8 * self._count, 8)
        self._addresses, self._stamps, self._looked = gpu.allocate(size), gpu.allocate(size), gpu.allocate(8)
        gpu.write(self._looked, b"\0" * 8)
        if self._count:
            gpu.write(self._addresses, last_bytes.tobytes())

    def start(self) -> None:
        """Start watching and wait until every byte has been looked at once.

        Raises:
            RankFault: The kernel did not get going in time.
        """
        if not self._count:
            return
        gpu, words = self._gpu, self._pinned.words
        words[SLICES_SEEN] = 0
        timeout_ns = int(gpu.wait_s * 1e9)
        ready = self._pinned.address(SLICES_SEEN)
        self._kernels.watch(self._addresses, self._count, self._stamps, timeout_ns, self._looked, ready, self._stream)
        gpu.place.at("starting to watch slices")
        deadline = time.monotonic() + gpu.wait_s
        while not words[SLICES_SEEN]:
            if time.monotonic() > deadline:
                raise gpu.place.fault(f"the watching kernel did not start within {gpu.wait_s:g} s")

    def arrival_ns(self) -> list[int]:
        """The GPU's time at which each slice was complete; 0 if it never changed. Frees the memory."""
        gpu = self._gpu
        content = gpu.read(self._stamps, 8 * self._count, self._stream) if self._count else b""
        for address in (self._addresses, self._stamps, self._looked):
            gpu.free(address)
        return [int(stamp) for stamp in np.frombuffer(content, dtype=np.uint64)]
