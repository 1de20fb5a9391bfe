"""Stands in for `cuda.bindings.runtime`: the functions that the engine of the tests calls, on memory of the host.

Copies move real bytes, at once; streams are numbers. Return values are those of cuda-bindings 13.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from enum import IntEnum
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cuda.bindings import driver, memory

cudaHostAllocPortable = 1
cudaIpcMemLazyEnablePeerAccess = 1
cudaMemcpyAttributes = SimpleNamespace
cudaMemcpySrcAccessOrder = SimpleNamespace(cudaMemcpySrcAccessOrderStream=1)
_streams = count(0x5000)
_device = 0
DRIVER = driver  # the real one brings it, too


class cudaError_t(IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1


class cudaMemcpyKind(IntEnum):
    cudaMemcpyDeviceToHost = 2
    cudaMemcpyDefault = 4


class cudaIpcMemHandle_t:
    reserved = b""


OK = (cudaError_t.cudaSuccess,)


def cudaSetDevice(device: int) -> tuple[cudaError_t]:
    global _device  # noqa: PLW0603  # the library's own state is a process's, too
    _device = device
    return OK


def cudaMalloc(size: int) -> tuple[cudaError_t, int]:
    return cudaError_t.cudaSuccess, memory.allocate(memory.DEVICE, _device, size)


def cudaHostAlloc(size: int, flags: int) -> tuple[cudaError_t, int]:
    return cudaError_t.cudaSuccess, memory.allocate(memory.HOST, 0, size)


def cudaIpcGetMemHandle(address: int) -> tuple[cudaError_t, Any]:
    handle = cudaIpcMemHandle_t()
    handle.reserved = str(memory.file_of(address)).encode()
    return cudaError_t.cudaSuccess, handle


def cudaIpcOpenMemHandle(handle: Any, flags: int) -> tuple[cudaError_t, int]:
    return cudaError_t.cudaSuccess, memory.map_file(memory.DEVICE, Path(handle.reserved.decode()), _device)


def cudaStreamCreateWithFlags(flags: int) -> tuple[cudaError_t, int]:
    return cudaError_t.cudaSuccess, next(_streams)


def cudaStreamSynchronize(stream: int) -> tuple[cudaError_t]:
    return OK


def cudaMemset(address: int, value: int, size: int) -> tuple[cudaError_t]:
    ctypes.memset(address, value, size)
    return OK


def cudaMemcpy(dst: int, src: int, size: int, kind: int) -> tuple[cudaError_t]:
    ctypes.memmove(dst, src, size)
    return OK


def cudaMemcpyAsync(dst: int, src: int, count: int, kind: int, stream: int) -> tuple[cudaError_t]:
    return _copy(dst, src, count)


def cudaMemcpyPeerAsync(
    dst: int, dstDevice: int, src: int, srcDevice: int, count: int, stream: int
) -> tuple[cudaError_t]:
    return _copy(dst, src, count)


def _copy(dst: int, src: int, size: int) -> tuple[cudaError_t]:
    if memory.find(dst) is None or memory.find(src) is None:
        return (cudaError_t.cudaErrorInvalidValue,)
    ctypes.memmove(dst, src, size)
    return OK


def cudaMemcpyBatchAsync(
    dsts: Sequence[int],
    srcs: Sequence[int],
    sizes: Sequence[int],
    count: int,
    attrs: Any,
    attrsIdxs: Any,
    numAttrs: int,
    stream: int,
) -> tuple[cudaError_t]:
    for dst, src, size in zip(dsts[:count], srcs, sizes, strict=False):
        ctypes.memmove(dst, src, size)
    return OK
