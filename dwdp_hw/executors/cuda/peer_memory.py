"""How peers read a rank's experts: CUDA IPC, or CUDA's virtual memory with fd or fabric handles."""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dwdp_hw.executors.cuda.gpu import Gpu
from dwdp_hw.executors.layout import PAGE_BYTES
from dwdp_sim.base.errors import ConfigError

MAPPINGS = ("ipc", "vmm_fd", "vmm_fabric")
_IMEX_CHANNELS = Path("/dev/nvidia-caps-imex-channels")
_SOCKET_WAIT_S = 30.0


class Exchange(Protocol):
    """How ranks tell each other small things; see `group.Group`."""

    rank: int
    size: int

    def all_gather(self, key: str, value: bytes) -> list[bytes]:
        """Every rank's value, by rank."""

    def socket_path(self, rank: int) -> str:
        """Path of a socket of `rank` that ranks of this host may connect to."""


@dataclass
class SharedArena:
    """One rank's exported memory and its peers' as mapped here.

    Attributes:
        own: Address of this rank's memory.
        bases: Address of every rank's memory, own included.
        close: Unmaps the peers' and frees the own one.
    """

    own: int
    bases: dict[int, int]
    close: Callable[[], None]


def check_mapping(gpu: Gpu, mapping: str) -> None:
    """Raise `ConfigError` if this machine cannot map peer memory that way."""
    if mapping not in MAPPINGS:
        raise ConfigError("backend.mapping", mapping, f"allowed: {', '.join(MAPPINGS)}")
    if mapping == "vmm_fd" and not gpu.attribute("HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED"):
        raise ConfigError("backend.mapping", mapping, "this GPU and driver export no POSIX file descriptors; use ipc")
    if mapping != "vmm_fabric":
        return
    if not gpu.attribute("HANDLE_TYPE_FABRIC_SUPPORTED"):
        raise ConfigError(
            "backend.mapping", mapping, "this GPU and driver offer no fabric handles (an NVL72 node is needed); use ipc"
        )
    if not any(_IMEX_CHANNELS.glob("channel*")):
        raise ConfigError(
            "backend.mapping",
            mapping,
            f"no IMEX channel in {_IMEX_CHANNELS}: load the driver with NVreg_CreateImexChannel0=1 or create channel0 "
            "with nvidia-modprobe, run the nvidia-imex service on every node, and pass the device to the container",
        )


def share(gpu: Gpu, size: int, mapping: str, exchange: Exchange, key: str) -> SharedArena:
    """Allocate `size` bytes, export them, and map every peer's.

    Args:
        gpu: This rank's GPU.
        size: Bytes, rounded up to whole pages; the same on every rank.
        mapping: One of `MAPPINGS`.
        exchange: The group.
        key: A name that no other exchange of the group uses.
    """
    check_mapping(gpu, mapping)
    size = -(-size // PAGE_BYTES) * PAGE_BYTES
    return _share_ipc(gpu, size, exchange, key) if mapping == "ipc" else _share_vmm(gpu, size, mapping, exchange, key)


def _share_ipc(gpu: Gpu, size: int, exchange: Exchange, key: str) -> SharedArena:
    runtime = gpu.runtime
    own = int(gpu.call(runtime.cudaMalloc, size))
    handle = gpu.call(runtime.cudaIpcGetMemHandle, own)
    bases = {exchange.rank: own}
    for rank, content in enumerate(exchange.all_gather(key, bytes(handle.reserved))):
        if rank != exchange.rank:
            peer = runtime.cudaIpcMemHandle_t()
            peer.reserved = content
            bases[rank] = int(gpu.call(runtime.cudaIpcOpenMemHandle, peer, runtime.cudaIpcMemLazyEnablePeerAccess))

    def close() -> None:
        for rank, address in bases.items():
            if rank != exchange.rank:
                gpu.call(runtime.cudaIpcCloseMemHandle, address)
        exchange.all_gather(f"{key}/closed", b"")  # nobody frees what another still has mapped
        gpu.call(runtime.cudaFree, own)

    return SharedArena(own, bases, close)


def _share_vmm(gpu: Gpu, size: int, mapping: str, exchange: Exchange, key: str) -> SharedArena:
    driver = gpu.driver
    types = driver.CUmemAllocationHandleType
    fabric = mapping == "vmm_fabric"
    kind = types.CU_MEM_HANDLE_TYPE_FABRIC if fabric else types.CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
    properties = _allocation(gpu, kind)
    minimum = driver.CUmemAllocationGranularity_flags.CU_MEM_ALLOC_GRANULARITY_MINIMUM
    unit = int(gpu.call(driver.cuMemGetAllocationGranularity, properties, minimum))
    size = -(-size // unit) * unit
    handle = gpu.call(driver.cuMemCreate, size, properties, 0)
    exported = gpu.call(driver.cuMemExportToShareableHandle, handle, kind, 0)
    handles = {exchange.rank: handle}
    if fabric:
        for rank, content in enumerate(exchange.all_gather(key, bytes(exported.data))):
            if rank != exchange.rank:
                peer = driver.CUmemFabricHandle()
                peer.data = content
                handles[rank] = gpu.call(driver.cuMemImportFromShareableHandle, peer.getPtr(), kind)
    else:
        for rank, descriptor in _trade_descriptors(int(exported), exchange, key).items():
            handles[rank] = gpu.call(driver.cuMemImportFromShareableHandle, descriptor, kind)
            os.close(descriptor)
        os.close(int(exported))
    bases = {rank: _map(gpu, peer, size, unit) for rank, peer in handles.items()}

    def close() -> None:
        for rank, address in bases.items():
            gpu.call(driver.cuMemUnmap, address, size)
            gpu.call(driver.cuMemAddressFree, address, size)
            gpu.call(driver.cuMemRelease, handles[rank])
        exchange.all_gather(f"{key}/closed", b"")

    return SharedArena(bases[exchange.rank], bases, close)


def _allocation(gpu: Gpu, kind: Any) -> Any:
    driver = gpu.driver
    properties = driver.CUmemAllocationProp()
    properties.type = driver.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
    properties.location.type = driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
    properties.location.id = gpu.ordinal
    properties.requestedHandleTypes = kind
    return properties


def _map(gpu: Gpu, handle: Any, size: int, alignment: int) -> int:
    driver = gpu.driver
    address = int(gpu.call(driver.cuMemAddressReserve, size, alignment, 0, 0))
    gpu.call(driver.cuMemMap, address, size, 0, handle, 0)
    access = driver.CUmemAccessDesc()
    access.location.type = driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
    access.location.id = gpu.ordinal
    access.flags = driver.CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_READWRITE
    gpu.call(driver.cuMemSetAccess, address, size, [access], 1)
    return address


def _trade_descriptors(own: int, exchange: Exchange, key: str) -> dict[int, int]:
    """Give every peer our descriptor over a socket (SCM_RIGHTS) and take theirs. All ranks must be on one host."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.settimeout(_SOCKET_WAIT_S)
    received: dict[int, int] = {}
    path = exchange.socket_path(exchange.rank)
    try:
        server.bind(path)
        server.listen(exchange.size)
        exchange.all_gather(f"{key}/listening", b"")
        for peer in range(exchange.size):
            if peer == exchange.rank:
                _serve(server, own, exchange.size - 1)
            else:
                received[peer] = _fetch(exchange.socket_path(peer))
            exchange.all_gather(f"{key}/served/{peer}", b"")  # one rank serves at a time
    finally:
        server.close()
        Path(path).unlink(missing_ok=True)
    return received


def _serve(server: socket.socket, descriptor: int, times: int) -> None:
    for _ in range(times):
        connection, _address = server.accept()
        with connection:
            connection.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])


def _fetch(path: str) -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_SOCKET_WAIT_S)
        connection.connect(path)
        _message, descriptors, _flags, _address = socket.recv_fds(connection, 1, 1)
        return descriptors[0]
