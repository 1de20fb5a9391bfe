"""Functions and names of the fake `cuda.bindings`; each function takes the driver and what the real one takes."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.dwdp_hw.executors.cuda.fake_driver import FakeCuda


def _list_batch(
    cuda: FakeCuda, dsts: Any, srcs: Any, sizes: Any, count: int, attributes: Any, first: Any, number: int, stream: int
) -> None:
    assert len(dsts) == len(srcs) == len(sizes) == count
    assert len(attributes) == len(first) == number == 1
    seen = {"attributes": attributes[0].srcAccessOrder, "first": first}
    cuda.copy(stream, list(dsts), list(srcs), list(sizes), "cudaMemcpyBatchAsync", **seen)


def _nothing(_found: object) -> None:
    return None


def _unmap(cuda: FakeCuda, address: int, size: int) -> None:
    cuda.drain()
    cuda.memory.unmap(address, size)


def _open_ipc(cuda: FakeCuda, handle: Any, _flags: int) -> int:
    return cuda.memory.note("ipc", int.from_bytes(handle.reserved, "little"))


RUNTIME: dict[str, Callable[..., Any]] = {
    "cudaGetDeviceCount": lambda cuda: 8,
    "cudaDriverGetVersion": lambda cuda: cuda.version,
    "cudaRuntimeGetVersion": lambda cuda: cuda.version,
    "cudaMemGetInfo": lambda cuda: (1 << 40, 1 << 40),
    "cudaMalloc": lambda cuda, size: cuda.memory.take("device", size),
    "cudaFree": lambda cuda, address: cuda.give("device", address),
    "cudaHostAlloc": lambda cuda, size, flags: cuda.memory.take("host", size),
    "cudaFreeHost": lambda cuda, address: cuda.give("host", address),
    "cudaHostRegister": lambda cuda, address, size, flags: _nothing(cuda.memory.note("registered", address)),
    "cudaHostUnregister": lambda cuda, address: cuda.give("registered", address),
    "cudaHostGetDevicePointer": lambda cuda, address, flags: address,
    "cudaIpcGetMemHandle": lambda cuda, address: SimpleNamespace(reserved=address.to_bytes(8, "little")),
    "cudaIpcOpenMemHandle": _open_ipc,
    "cudaIpcCloseMemHandle": lambda cuda, address: cuda.give("ipc", address),
    "cudaMemset": lambda cuda, address, value, size: _nothing(ctypes.memset(address, value, size)),
    "cudaMemcpy": lambda cuda, dst, src, size, kind: _nothing(ctypes.memmove(dst, src, size)),
    "cudaStreamSynchronize": lambda cuda, stream: None,
    "cudaMemcpyAsync": lambda cuda, dst, src, size, kind, stream: cuda.copy(
        stream, [dst], [src], [size], "cudaMemcpyAsync", kind=kind
    ),
    "cudaMemcpyBatchAsync": _list_batch,
}
DRIVER: dict[str, Callable[..., Any]] = {
    "cuMemGetAllocationGranularity": lambda cuda, properties, flag: 1 << 16,
    "cuMemCreate": lambda cuda, size, properties, flags: cuda.memory.create(size),
    "cuMemRelease": lambda cuda, handle: cuda.memory.release(handle),
    "cuMemExportToShareableHandle": lambda cuda, handle, kind, flags: cuda.memory.export(handle),
    "cuMemImportFromShareableHandle": lambda cuda, exported, kind: cuda.memory.take_in(exported),
    "cuMemAddressReserve": lambda cuda, size, alignment, address, flags: cuda.memory.reserve(size),
    "cuMemAddressFree": lambda cuda, address, size: cuda.memory.unreserve(address, size),
    "cuMemMap": lambda cuda, address, size, offset, handle, flags: cuda.memory.map(address, size, handle),
    "cuMemUnmap": _unmap,
    "cuMemSetAccess": lambda cuda, address, size, access, count: None,
}
CONSTANTS: dict[str, Any] = {
    "cudaHostAllocMapped": 2,
    "cudaHostAllocPortable": 1,
    "cudaHostRegisterMapped": 2,
    "cudaIpcMemLazyEnablePeerAccess": 1,
    "cudaIpcMemHandle_t": SimpleNamespace,
    "cudaMemcpyKind": SimpleNamespace(cudaMemcpyDefault=4, cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2),
    "cudaMemcpyAttributes": SimpleNamespace,
    "cudaMemcpySrcAccessOrder": SimpleNamespace(cudaMemcpySrcAccessOrderStream=1),
    "CUmemAllocationHandleType": SimpleNamespace(
        CU_MEM_HANDLE_TYPE_FABRIC=8, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR=1
    ),
    "CUmemAllocationGranularity_flags": SimpleNamespace(CU_MEM_ALLOC_GRANULARITY_MINIMUM=0),
    "CUmemAllocationType": SimpleNamespace(CU_MEM_ALLOCATION_TYPE_PINNED=1),
    "CUmemLocationType": SimpleNamespace(CU_MEM_LOCATION_TYPE_DEVICE=1),
    "CUmemAccess_flags": SimpleNamespace(CU_MEM_ACCESS_FLAGS_PROT_READWRITE=3),
    "CUmemAllocationProp": lambda: SimpleNamespace(location=SimpleNamespace()),
    "CUmemAccessDesc": lambda: SimpleNamespace(location=SimpleNamespace()),
}
