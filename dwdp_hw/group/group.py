"""A rank's side of the group: small exchanges, meetings and a heartbeat, over torch's TCPStore."""

from __future__ import annotations

import importlib
import os
import socket
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from dwdp_hw.group.faults import NoGpuError, RankFault, Whereabouts
from dwdp_hw.group.liveness import Heartbeat, last_seen
from dwdp_hw.group.sealed_store import SealedStore
from dwdp_hw.group.shared_page import Page


@dataclass(frozen=True)
class Seat:
    """A process's place in the group, as torchrun's environment gives it.

    Attributes:
        rank, size: In the group.
        local_rank, local_size: On this host.
        address, port: Of the store.
        folder: A folder of this run that the ranks of this host share.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    address: str
    port: int
    folder: Path

    @classmethod
    def from_environment(cls, folder: Path) -> Seat:
        """Read what torchrun, or our own launcher, has set."""
        value = os.environ
        size = int(value["WORLD_SIZE"])
        return cls(
            rank=int(value["RANK"]),
            size=size,
            local_rank=int(value.get("LOCAL_RANK", value["RANK"])),
            local_size=int(value.get("LOCAL_WORLD_SIZE", size)),
            address=value["MASTER_ADDR"],
            port=int(value["MASTER_PORT"]),
            folder=folder,
        )


def open_store(address: str, port: int, *, serve: bool | socket.socket, wait_s: float, secret: str = "") -> Any:
    """torch's key-value store over TCP.

    Args:
        address, port: Of the store.
        serve: Whether this process serves it, on all addresses of the host, or the socket on which it does.
        wait_s: How long to wait for a key.
        secret: Known to the ranks of the run alone: values without its seal are refused. Empty for no seals.

    Raises:
        NoGpuError: torch is not installed.
    """
    try:
        distributed = importlib.import_module("torch.distributed")
    except ImportError as error:
        raise NoGpuError(f'torch is not installed ({error}): pip install "dwdp-toolkit[hw]"') from error
    options: dict[str, Any] = {"is_master": bool(serve), "timeout": timedelta(seconds=wait_s)}
    if isinstance(serve, socket.socket):
        options["master_listen_fd"] = serve.detach()
    store = distributed.TCPStore(address, port, wait_for_workers=False, **options)
    return SealedStore(store, secret.encode()) if secret else store


class Group:
    """This rank's side of the group.

    Attributes:
        seat: Where this process sits.
        rank, size: Short for the seat's.
        place: Where this rank is.
        page: Memory shared with the host's other ranks.
    """

    def __init__(self, seat: Seat, store: Any, place: Whereabouts, wait_s: float) -> None:
        self.seat, self.place = seat, place
        self.rank, self.size = seat.rank, seat.size
        self._store, self._wait_s = store, wait_s
        self._meetings = 0
        self.page = Page(seat.folder / "page", seat.local_rank, seat.local_size)
        self._heartbeat = Heartbeat(store.clone(), place)

    @property
    def one_host(self) -> bool:
        """Whether all ranks are on this host."""
        return self.seat.local_size == self.size

    def all_gather(self, key: str, value: bytes) -> list[bytes]:
        """Every rank's value, by rank.

        Raises:
            RankFault: A rank did not come within the deadline.
        """
        self.place.at(f"exchange {key}")
        self._store.set(f"{key}/{self.rank}", value)
        values = []
        deadline = time.monotonic() + self._wait_s
        for rank in range(self.size):
            left = max(deadline - time.monotonic(), 0.01)
            try:
                self._store.wait([f"{key}/{rank}"], timedelta(seconds=left))
            except Exception as error:  # torch raises different types for a time-out and for a lost store
                raise self._absent(rank, f"exchange {key}") from error
            values.append(bytes(self._store.get(f"{key}/{rank}")))
        return values

    def socket_path(self, rank: int) -> str:
        """A socket's path for a rank of this host."""
        return str(self.seat.folder / f"socket{rank}")

    def meet(self, what: str) -> None:
        """Wait until every rank is here.

        Raises:
            RankFault: One did not come within the deadline.
        """
        self.place.at(f"meeting {what}")
        if self.one_host:
            self.page.meet(self._wait_s, lambda rank: self._absent(rank, f"meeting {what}"))
            return
        self._meetings += 1
        self.all_gather(f"meeting/{self._meetings}", b"")

    def publish(self, key: str, value: bytes) -> None:
        """Leave a value for the launcher."""
        self._store.set(key, value)

    def _absent(self, rank: int, what: str) -> RankFault:
        seen = last_seen(self._store, rank)
        host = seen.get("host", "an unknown host")
        return RankFault(rank, host, seen.get("text", "never seen"), f"did not come to {what} in {self._wait_s:g} s")

    def close(self) -> None:
        """Stop the heartbeat and unmap the page."""
        self._heartbeat.stop()
        self.page.close()
