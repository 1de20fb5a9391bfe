"""The test pattern of experts: a hash of rank, layer, parameter and offset, so that a misplaced byte shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
GUARD_RANK = 0xFFFF  # no rank: the bytes around the slot buffers that no copy may touch
_STEP = 0x9E3779B1
_FACTORS = (0x7FEB352D, 0x846CA68B)
_MASK = 0xFFFFFFFF


def seed_of(rank: int, layer: int, parameter: int) -> int:
    """The 32-bit seed of the buffer that `rank` holds for one layer and parameter."""
    seed = 0
    for part in (rank, layer, parameter):
        seed = _mix((seed * 31 + part + 1) & _MASK)
    return seed


def pattern_bytes(seed: int, offset: int, size: int) -> Bytes:
    """Bytes [offset, offset + size) of the buffer with that seed.

    The buffer is a row of little-endian 32-bit words; word i is a hash of `seed + i · step`. The CUDA kernels compute
    the same function.
    """
    first, last = offset // 4, -(-(offset + size) // 4)
    words = np.arange(first, last, dtype=np.uint64) * np.uint64(_STEP) + np.uint64(seed)
    words32 = words.astype(np.uint32)
    for shift, factor in zip((16, 15), _FACTORS, strict=True):
        words32 ^= words32 >> np.uint32(shift)
        words32 *= np.uint32(factor)
    words32 ^= words32 >> np.uint32(16)
    start = offset - first * 4
    return words32.astype("<u4").view(np.uint8)[start : start + size]


def _mix(value: int) -> int:
    for shift, factor in zip((16, 15), _FACTORS, strict=True):
        value ^= value >> shift
        value = value * factor & _MASK
    return value ^ value >> 16
