"""Share a rank's experts with its peers: by CUDA IPC, or CUDA's virtual memory with fd or fabric handles."""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from dwdp_hw.executors.cuda.gpu import Gpu, giving_back
from dwdp_hw.executors.layout import PAGE_BYTES
from dwdp_sim.base.errors import ConfigError, check_choice
from dwdp_sim.fabric.cluster import MAPPINGS

_IMEX_CHANNELS = Path("/dev/nvidia-caps-imex-channels")
_SOCKET_WAIT_S = 30.0


class Exchange(Protocol):
    """The exchange of small values between ranks; see `group.Group`."""

    rank: int
    size: int

    def all_gather(self, key: str, value: bytes) -> list[bytes]:
        """Every rank's value, by rank."""

    def socket_path(self, rank: int) -> str:
        """Path of a socket of `rank` that ranks of this host may connect to."""


def check_mapping(gpu: Gpu, mapping: str) -> None:
    """Raise `ConfigError` if this machine cannot map peer memory that way."""
    check_choice("backend.mapping", mapping, MAPPINGS)
    if mapping == "vmm_fd" and not gpu.device.properties.handle_type_posix_file_descriptor_supported:
        raise ConfigError("backend.mapping", mapping, "this GPU and driver export no POSIX file descriptors; use ipc")
    if mapping != "vmm_fabric":
        return
    if not gpu.device.properties.handle_type_fabric_supported:
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


def share(gpu: Gpu, size: int, mapping: str, exchange: Exchange, key: str) -> AbstractContextManager[dict[int, int]]:
    """Allocate `size` bytes, export them, and map every peer's.

    Args:
        gpu: This rank's GPU.
        size: Bytes, rounded up to whole pages; the same on every rank.
        mapping: One of `MAPPINGS`.
        exchange: The group.
        key: A name that no other exchange of the group uses.

    Returns:
        A context that gives the address of every rank's memory as mapped here, by rank. At its end it unmaps the
        peers' memory, meets the peers unless an error has ended it, and frees the own memory.
    """
    check_mapping(gpu, mapping)
    size = -(-size // PAGE_BYTES) * PAGE_BYTES
    return _share_ipc(gpu, size, exchange, key) if mapping == "ipc" else _share_vmm(gpu, size, mapping, exchange, key)


@contextmanager
def _share_ipc(gpu: Gpu, size: int, exchange: Exchange, key: str) -> Iterator[dict[int, int]]:
    runtime = gpu.runtime
    with giving_back() as own:
        address = gpu.allocate(size)
        own.callback(gpu.free, address)
        handle = gpu.call(runtime.cudaIpcGetMemHandle, address)
        bases = {exchange.rank: address}
        with giving_back() as mapped:
            for rank, content in enumerate(exchange.all_gather(key, bytes(handle.reserved))):
                if rank != exchange.rank:
                    peer = runtime.cudaIpcMemHandle_t()
                    peer.reserved = content
                    flags = runtime.cudaIpcMemLazyEnablePeerAccess
                    bases[rank] = int(gpu.call(runtime.cudaIpcOpenMemHandle, peer, flags))
                    mapped.callback(gpu.call, runtime.cudaIpcCloseMemHandle, bases[rank])
            yield bases
        exchange.all_gather(f"{key}/closed", b"")  # no rank may free what a peer still has mapped


@contextmanager
def _share_vmm(gpu: Gpu, size: int, mapping: str, exchange: Exchange, key: str) -> Iterator[dict[int, int]]:
    driver = gpu.driver
    types = driver.CUmemAllocationHandleType
    fabric = mapping == "vmm_fabric"
    kind = types.CU_MEM_HANDLE_TYPE_FABRIC if fabric else types.CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
    properties = _allocation(gpu, kind)
    minimum = driver.CUmemAllocationGranularity_flags.CU_MEM_ALLOC_GRANULARITY_MINIMUM
    unit = int(gpu.call(driver.cuMemGetAllocationGranularity, properties, minimum))
    size = -(-size // unit) * unit
    with giving_back() as taken:
        handles = {exchange.rank: gpu.call(driver.cuMemCreate, size, properties, 0)}
        taken.callback(gpu.call, driver.cuMemRelease, handles[exchange.rank])
        exported = gpu.call(driver.cuMemExportToShareableHandle, handles[exchange.rank], kind, 0)
        import_peers = _import_fabric_handles if fabric else _import_descriptors
        for rank, handle in import_peers(gpu, exported, kind, exchange, key):
            handles[rank] = handle
            taken.callback(gpu.call, driver.cuMemRelease, handle)
        yield {rank: _map(gpu, handle, size, unit, taken) for rank, handle in handles.items()}
    exchange.all_gather(f"{key}/closed", b"")


def _import_fabric_handles(
    gpu: Gpu, exported: Any, kind: Any, exchange: Exchange, key: str
) -> Iterator[tuple[int, Any]]:
    """Give every peer our handle through the group; each peer's rank and its memory."""
    for rank, content in enumerate(exchange.all_gather(key, bytes(exported.data))):
        if rank != exchange.rank:
            peer = gpu.driver.CUmemFabricHandle()
            peer.data = content
            yield rank, gpu.call(gpu.driver.cuMemImportFromShareableHandle, peer.getPtr(), kind)


def _import_descriptors(gpu: Gpu, exported: Any, kind: Any, exchange: Exchange, key: str) -> Iterator[tuple[int, Any]]:
    """Give every peer our file descriptor over a socket; each peer's rank and its memory. Closes the descriptors."""
    with ExitStack() as opened:
        opened.callback(os.close, int(exported))
        received = _trade_descriptors(int(exported), exchange, key, opened)
        for rank, descriptor in received.items():
            yield rank, gpu.call(gpu.driver.cuMemImportFromShareableHandle, descriptor, kind)


def _allocation(gpu: Gpu, kind: Any) -> Any:
    driver = gpu.driver
    properties = driver.CUmemAllocationProp()
    properties.type = driver.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
    properties.location.type = driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
    properties.location.id = gpu.ordinal
    properties.requestedHandleTypes = kind
    return properties


def _map(gpu: Gpu, handle: Any, size: int, alignment: int, taken: ExitStack) -> int:
    driver = gpu.driver
    address = int(gpu.call(driver.cuMemAddressReserve, size, alignment, 0, 0))
    taken.callback(gpu.call, driver.cuMemAddressFree, address, size)
    gpu.call(driver.cuMemMap, address, size, 0, handle, 0)
    taken.callback(gpu.call, driver.cuMemUnmap, address, size)
    access = driver.CUmemAccessDesc()
    access.location.type = driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
    access.location.id = gpu.ordinal
    access.flags = driver.CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_READWRITE
    gpu.call(driver.cuMemSetAccess, address, size, [access], 1)
    return address


def _trade_descriptors(own: int, exchange: Exchange, key: str, opened: ExitStack) -> dict[int, int]:
    """Give every peer our descriptor (SCM_RIGHTS) and take theirs, for `opened` to close. All ranks are on one host."""
    received: dict[int, int] = {}
    path = exchange.socket_path(exchange.rank)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.settimeout(_SOCKET_WAIT_S)
        try:
            server.bind(path)
            server.listen(exchange.size)
            exchange.all_gather(f"{key}/listening", b"")
            for peer in range(exchange.size):
                if peer == exchange.rank:
                    _serve(server, own, exchange.size - 1)
                else:
                    received[peer] = _fetch(exchange.socket_path(peer))
                    opened.callback(os.close, received[peer])
                exchange.all_gather(f"{key}/served/{peer}", b"")  # one rank serves at a time
        finally:
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
