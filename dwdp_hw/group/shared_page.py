"""A page of memory that all ranks of a host share, to meet in and to open their gates together."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dwdp_hw.group.reserve import reserve

_LINE = 8  # words in a cache line
_GO, _TARGET, _ARRIVED = 0, _LINE, 2 * _LINE
_POLL_S = 20e-6


class Page:
    """Words of 64 bits, one a cache line, in a file that every rank of the host maps.

    Attributes:
        address: Where it is mapped here, for registration with CUDA.
        size: Bytes.
    """

    def __init__(self, path: Path, rank: int, ranks: int) -> None:
        self._rank, self._ranks = rank, ranks
        self.size = -(-(_ARRIVED + 2 * ranks * _LINE) * 8 // mmap.PAGESIZE) * mmap.PAGESIZE
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            reserve(handle, self.size, path)
            self._memory = mmap.mmap(handle, self.size)
        finally:
            os.close(handle)
        self._words = np.frombuffer(self._memory, dtype=np.uint64)
        self.address = int(self._words.ctypes.data)
        self._meeting = 0

    @property
    def go_address(self) -> int:
        """The word that gates read."""
        return self.address + 8 * _GO

    def wave_address(self, rank: int) -> int:
        """The word in which `rank` counts the waves it has finished."""
        return self.address + 8 * (_ARRIVED + (self._ranks + rank) * _LINE)

    @property
    def wave_stride(self) -> int:
        """Words between two ranks' wave counters."""
        return _LINE

    def open_gates(self, number: int) -> None:
        """Open every gate up to `number`."""
        self._words[_GO] = number

    def meet(self, wait_s: float, absent: Callable[[int], Exception]) -> None:
        """Wait until every rank has come to this meeting.

        Args:
            wait_s: How long to wait.
            absent: Makes the exception for the first rank that did not come.
        """
        self._meeting += 1
        self._words[_ARRIVED + self._rank * _LINE] = self._meeting
        deadline = time.monotonic() + wait_s
        arrived = self._words[_ARRIVED : _ARRIVED + self._ranks * _LINE : _LINE]
        while True:
            late = np.flatnonzero(arrived < self._meeting)
            if not len(late):
                return
            if time.monotonic() > deadline:
                raise absent(int(late[0]))
            time.sleep(_POLL_S)

    def agree_on_start(self, delay_s: float, meet: Callable[[], None]) -> int:
        """A moment on the host's monotonic clock, in nanoseconds, `delay_s` from now, the same for every rank."""
        if self._rank == 0:
            self._words[_TARGET] = time.monotonic_ns() + int(delay_s * 1e9)
        meet()
        return int(self._words[_TARGET])

    def close(self) -> None:
        """Unmap it."""
        del self._words
        self._memory.close()
