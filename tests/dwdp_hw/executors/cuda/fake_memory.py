"""Memory of the fake driver: plain allocations, and files that are mapped where addresses were reserved."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections import Counter

import numpy as np

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_MAP_FIXED, _READ_WRITE = 0x10, mmap.PROT_READ | mmap.PROT_WRITE
_ALIGNED = 256


class Memory:
    """Counts what is live by kind; giving back what was not taken fails."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, int], list[object]] = {}

    @property
    def live(self) -> Counter[str]:
        """What is taken and not given back, by kind."""
        return Counter(kind for (kind, _key), taken in list(self._taken.items()) for _ in taken)

    def note(self, kind: str, key: int, content: object = None) -> int:
        """Something of `kind` is taken."""
        self._taken.setdefault((kind, key), []).append(content)
        return key

    def forget(self, kind: str, key: int) -> None:
        """It is given back."""
        self._taken[kind, key].pop()

    def take(self, kind: str, size: int) -> int:
        """The address of new bytes, none of them as they should be."""
        content = np.full(size + _ALIGNED, 0xAB, np.uint8)
        return self.note(kind, -(-content.ctypes.data // _ALIGNED) * _ALIGNED, content)

    def create(self, size: int) -> int:
        """A handle of physical memory."""
        handle = os.memfd_create("memory")
        os.ftruncate(handle, size)
        return self.note("handle", handle)

    def release(self, handle: int) -> None:
        """Close a handle."""
        self.forget("handle", handle)
        os.close(handle)

    def export(self, handle: int) -> int:
        """A file descriptor of the same memory, for the caller to close."""
        return os.dup(handle)

    def take_in(self, descriptor: int) -> int:
        """A handle of the memory behind a file descriptor."""
        return self.note("handle", os.dup(descriptor))

    def reserve(self, size: int) -> int:
        """Addresses that nothing may use yet."""
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        return self.note("reserved", int(_LIBC.mmap(None, size, 0, flags, -1, 0)))

    def unreserve(self, address: int, size: int) -> None:
        """Give addresses back."""
        self.forget("reserved", address)
        _LIBC.munmap(address, size)

    def map(self, address: int, size: int, handle: int) -> None:
        """Put memory behind reserved addresses."""
        found = _LIBC.mmap(address, size, _READ_WRITE, mmap.MAP_SHARED | _MAP_FIXED, handle, 0)
        assert found == address
        self.note("mapped", address)

    def unmap(self, address: int, size: int) -> None:
        """Take it away again."""
        self.forget("mapped", address)
        _LIBC.mmap(address, size, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED, -1, 0)
