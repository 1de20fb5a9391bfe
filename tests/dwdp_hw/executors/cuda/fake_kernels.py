"""What the kernels of `kernels.cu` do, by the calling thread. First parameter: how many regions the grid covers."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

import numpy as np

from dwdp_hw.executors.pattern import pattern_bytes

_POLL_S = 1e-5


def _u64(address: int, count: int = 1) -> ctypes.Array[ctypes.c_uint64]:
    return (ctypes.c_uint64 * count).from_address(address)


def _regions(table: int, count: int) -> list[tuple[np.ndarray, np.ndarray]]:  # type: ignore[type-arg]
    found = []
    for number in range(count):
        address, size, src_offset, seed = _u64(table + 32 * number, 4)
        content = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
        found.append((content, pattern_bytes(seed, src_offset, size)))
    return found


def write_regions(count: int, table: int, flip: int) -> None:
    for content, right in _regions(table, count):
        content[:] = right ^ np.uint8(flip & 0xFF)


def compare_regions(count: int, table: int, first_wrong: int) -> None:
    for number, (content, right) in enumerate(_regions(table, count)):
        wrong = np.flatnonzero(content != right)
        if len(wrong):
            _u64(first_wrong)[0] = min(_u64(first_wrong)[0], number << 40 | int(wrong[0]))


def gate(_grid: int, words: int, count: int, stride: int, value: int, timeout_ns: int, out: int) -> None:
    start, late = time.monotonic_ns(), 0
    for number in range(count):
        while not late and _u64(words + 8 * number * stride)[0] < value:
            late = int(time.monotonic_ns() - start > timeout_ns)
            time.sleep(_POLL_S)
    _u64(out, 2)[:] = [time.monotonic_ns(), late]


def signal(_grid: int, word: int, value: int) -> None:
    _u64(word)[0] = value


def spin(_grid: int, duration_ns: int, out: int) -> None:
    start = time.monotonic_ns()
    time.sleep(duration_ns / 1e9)
    _u64(out, 2)[:] = [start, time.monotonic_ns()]


def answer_clock(_grid: int, request: int, reply: int, rounds: int, timeout_ns: int) -> None:
    start = time.monotonic_ns()
    for number in range(1, rounds + 1):
        while _u64(request)[0] < number:
            if time.monotonic_ns() - start > timeout_ns:
                return
            time.sleep(_POLL_S)
        _u64(reply + 8)[0] = time.monotonic_ns()
        _u64(reply)[0] = number


def watch(_grid: int, addresses: int, count: int, stamps: int, timeout_ns: int, _looked: int, ready: int) -> None:
    if not count:
        return
    places = list(_u64(addresses, count))
    before = [ctypes.c_uint8.from_address(place).value for place in places]
    _u64(stamps, count)[:] = [0] * count
    _u64(ready)[0] = 1
    start, left = time.monotonic_ns(), set(range(count))
    while left and time.monotonic_ns() - start < timeout_ns:
        for number in list(left):
            if ctypes.c_uint8.from_address(places[number]).value != before[number]:
                _u64(stamps + 8 * number)[0] = time.monotonic_ns()
                left.remove(number)
        time.sleep(_POLL_S)


KERNELS: dict[str, Callable[..., None]] = {
    one.__name__: one for one in (write_regions, compare_regions, gate, signal, spin, answer_clock, watch)
}
