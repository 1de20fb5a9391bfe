"""Hand copies to the driver: as C arrays built once, as ready-made lists, or as lists built for each layer."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dwdp_hw.executors.cuda.gpu import Gpu
from dwdp_hw.executors.layout import RankCopies
from dwdp_sim.base.errors import ConfigError, check_choice
from dwdp_sim.plan.copy_plan import BATCH
from dwdp_sim.plan.kinds import BATCHED

if TYPE_CHECKING:
    from cuda.core import Stream

ISSUES = ("arrays", "lists", "built_lists")
_STREAM_ORDER = 1  # CU_MEMCPY_SRC_ACCESS_ORDER_STREAM
_BATCH_V2_VERSION = 13000  # cuMemcpyBatchAsync_v2: without the failIdx argument
Call = Callable[[], None]


class _Location(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("id", ctypes.c_int))


class _Attributes(ctypes.Structure):
    """CUmemcpyAttributes."""

    _fields_ = (("src_access_order", ctypes.c_int), ("src", _Location), ("dst", _Location), ("flags", ctypes.c_uint))


def prepare_calls(
    gpu: Gpu, copies: RankCopies, bases: Mapping[int, int], slots: int, stream: Stream, issue: str
) -> list[Call]:
    """Everything that can be done before issuing; what is left is one closure a call.

    Args:
        gpu: The GPU that pulls.
        copies: One rank's copies of one layer.
        bases: Address of each peer's resident arena as mapped here.
        slots: Address of the slot arena.
        stream: Where to issue.
        issue: One of `ISSUES`; single copies are issued the same way under all.

    Raises:
        ConfigError: Unknown `issue`, or this CUDA has no batched copies.
    """
    check_choice("backend.issue", issue, ISSUES)
    if BATCH in copies.call_issue and gpu.versions.batch_missing:
        raise ConfigError("strategy.name", BATCHED.name, gpu.versions.batch_missing)
    base_of = np.zeros(max(bases, default=0) + 1, dtype=np.uint64)
    for peer, address in bases.items():
        base_of[peer] = address
    src = base_of[copies.peer] + copies.src.astype(np.uint64)
    dst = np.uint64(slots) + copies.dst.astype(np.uint64)
    size = copies.size.astype(np.uint64)
    batch = {"arrays": _array_batch, "lists": _list_batch, "built_lists": _built_list_batch}[issue]
    calls, handle = [], int(stream.handle)
    for number, (first, last) in enumerate(zip(copies.call_first[:-1], copies.call_first[1:], strict=True)):
        own = slice(int(first), int(last))
        make = batch if copies.call_issue[number] == BATCH else _single
        calls.append(make(gpu, number, dst[own].copy(), src[own].copy(), size[own].copy(), handle))
    return calls


def batch_path(issue: str) -> str:
    """The driver entry that a batch takes, for the results."""
    return "cuMemcpyBatchAsync, C arrays" if issue == "arrays" else "cudaMemcpyBatchAsync, Python lists"


_Addresses = np.ndarray[Any, np.dtype[np.uint64]]


def _single(gpu: Gpu, number: int, dst: _Addresses, src: _Addresses, size: _Addresses, stream: int) -> Call:
    runtime, success = gpu.runtime, gpu.runtime.cudaError_t.cudaSuccess
    copy, kind = runtime.cudaMemcpyAsync, runtime.cudaMemcpyKind.cudaMemcpyDefault
    arguments = (int(dst[0]), int(src[0]), int(size[0]), kind, stream)

    def call() -> None:
        (status,) = copy(*arguments)
        if status != success:
            gpu.check(status, f"cudaMemcpyAsync (call {number})")

    return call


def _list_batch(gpu: Gpu, number: int, dst: _Addresses, src: _Addresses, size: _Addresses, stream: int) -> Call:
    lists = (dst.tolist(), src.tolist(), size.tolist())
    return lambda: _issue_lists(gpu, number, *lists, stream)


def _built_list_batch(gpu: Gpu, number: int, dst: _Addresses, src: _Addresses, size: _Addresses, stream: int) -> Call:
    """Computes every address at each call from a base and an offset, as an engine in Python does for each layer."""
    dst_base, src_base = int(dst.min()), int(src.min())
    rows = list(zip((dst - dst.min()).tolist(), (src - src.min()).tolist(), size.tolist(), strict=True))

    def call() -> None:
        dsts, srcs, sizes = [], [], []
        for to, source, length in rows:
            dsts.append(dst_base + to)
            srcs.append(src_base + source)
            sizes.append(length)
        _issue_lists(gpu, number, dsts, srcs, sizes, stream)

    return call


def _issue_lists(gpu: Gpu, number: int, dsts: list[int], srcs: list[int], sizes: list[int], stream: int) -> None:
    runtime = gpu.runtime
    attributes = runtime.cudaMemcpyAttributes()
    attributes.srcAccessOrder = runtime.cudaMemcpySrcAccessOrder.cudaMemcpySrcAccessOrderStream
    status, *fail = runtime.cudaMemcpyBatchAsync(dsts, srcs, sizes, len(dsts), [attributes], [0], 1, stream)
    if int(status) != 0:  # 12.x returns (status, index of the failing copy), 13.x (status,)
        at = f", copy {fail[0]}" if fail else ""
        gpu.check(status, f"cudaMemcpyBatchAsync (call {number}{at})")


def _array_batch(gpu: Gpu, number: int, dst: _Addresses, src: _Addresses, size: _Addresses, stream: int) -> Call:
    attributes = _Attributes(src_access_order=_STREAM_ORDER)
    first = ctypes.c_size_t(0)
    failed = ctypes.c_size_t(0)
    function = _batch_symbol(gpu.versions.driver)
    tail = [stream] if gpu.versions.driver >= _BATCH_V2_VERSION else [ctypes.addressof(failed), stream]
    pointers = (dst.ctypes.data, src.ctypes.data, size.ctypes.data)
    arguments = (*pointers, len(dst), ctypes.addressof(attributes), ctypes.addressof(first), 1, *tail)
    keep = (dst, src, size, attributes, first, failed)  # the driver reads them at each call

    def call() -> None:
        status = function(*arguments)
        if status != 0:
            gpu.check(gpu.driver.CUresult(status), f"cuMemcpyBatchAsync (call {number} of {len(keep[0])} copies)")

    return call


def _batch_symbol(driver_version: int) -> Any:
    library = ctypes.CDLL("libcuda.so.1")
    newer = driver_version >= _BATCH_V2_VERSION
    function = library.cuMemcpyBatchAsync_v2 if newer else library.cuMemcpyBatchAsync
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    tail = [pointer] if newer else [pointer, pointer]
    function.argtypes = [pointer, pointer, pointer, size, pointer, pointer, size, *tail]
    function.restype = ctypes.c_int
    return function
