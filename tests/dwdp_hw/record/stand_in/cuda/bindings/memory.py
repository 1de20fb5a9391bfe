"""Memory of GPUs that are not there: files that every process maps, each with the GPU that it stands for.

It proves nothing about pointers, streams or times: those are for tests on a GPU.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import secrets
from pathlib import Path

HOST, DEVICE = 1, 2  # CUmemorytype
_allocations: dict[int, tuple[int, int, int, Path, mmap.mmap]] = {}  # by address: kind, device, size, file, mapping


def allocate(kind: int, device: int, size: int) -> int:
    path = Path(os.environ["STAND_IN_FOLDER"]) / f"memory-{secrets.token_hex(8)}-{device}-{size}"
    path.write_bytes(b"")
    os.truncate(path, size)
    return map_file(kind, path)


def map_file(kind: int, path: Path, opened_on: int | None = None) -> int:
    """Of memory that another process has allocated, the driver says which GPU opened it, as seen on two H200s."""
    owner, size = map(int, path.name.split("-")[2:])
    device = owner if opened_on is None else opened_on
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), size)
    address = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
    _allocations[address] = (kind, device, size, path, mapped)
    return address


def file_of(address: int) -> Path:
    return _allocations[address][3]


def find(address: int) -> tuple[int, int, int, int] | None:
    """Kind, device, start and size of the allocation in which an address lies."""
    for start, (kind, device, size, _, _) in _allocations.items():
        if start <= address < start + size:
            return kind, device, start, size
    return None
