"""Start one process for each rank and leave nothing behind; several nodes need torchrun."""

from __future__ import annotations

import os
import pickle
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from dwdp_hw.group.faults import RankFault
from dwdp_hw.group.group import Seat, open_store
from dwdp_hw.run.supervise import POLL_S, OnResult, Supervision, left_fault, read_results, watch_in_background
from dwdp_hw.run.worker import SECRET, Work, run_rank
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.child_process import start_child
from dwdp_sim.base.endings import Ended, surely
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.owner import remove_leftovers, temporary_name

_END_S = 10.0
_STEM = "dwdp-hw"
OnStart = Callable[[list[int]], None]


def started_by_torchrun() -> bool:
    """Whether this process is already a rank."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def run_group(work: Work, ranks: int, on_result: OnResult, on_start: OnStart = lambda pids: None) -> None:
    """Run `work` on `ranks` processes of this host.

    Args:
        work: The cases.
        ranks: Processes to start.
        on_result: Called with each case and every rank's result, as soon as it is complete.
        on_start: Called with the process ids, by rank.

    Raises:
        RankFault: A rank died, hung, never arrived or failed; all are ended by then.
        ConfigError: A rank found that the configuration cannot be run here.
    """
    with _ended_by_sigterm(), _folder(work.settings.shared_folder) as folder:
        secret = secrets.token_hex(16)
        write_whole(folder / "work", lambda path: path.write_bytes(pickle.dumps(work)))
        write_whole(folder / SECRET, lambda path: path.write_text(secret))
        listener = socket.create_server(("127.0.0.1", 0))  # torch's own would listen on every address of the host
        port = int(listener.getsockname()[1])
        store = open_store("127.0.0.1", port, serve=listener, wait_s=work.settings.wait_s, secret=secret)
        processes: list[subprocess.Popen[bytes]] = []
        try:
            processes += [_start(folder, rank, ranks, port) for rank in range(ranks)]
            on_start([process.pid for process in processes])
            Supervision(work, store, processes, on_result).run()
        except Ended as ended:
            ended.hint = "the ranks have been ended"
            raise
        finally:
            surely(partial(_end, processes))


def run_as_rank(work: Work, on_result: OnResult) -> None:
    """Take part as the rank that torchrun made of this process; rank 0 gets the results.

    On a network that others use, set `DWDP_HW_SECRET` to the same secret on all hosts.

    Raises:
        RankFault: As `run_group`.
        ConfigError: As `run_group`.
    """
    settings = work.settings
    elastic = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    rank, address, port = int(os.environ["RANK"]), os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    secret = os.environ.get("DWDP_HW_SECRET", "")
    store = open_store(address, port, serve=rank == 0 and not elastic, wait_s=settings.start_s, secret=secret)
    local_first = int(os.environ.get("LOCAL_RANK", rank)) == 0
    key = f"folder/{socket.gethostname()}"
    with _folder(settings.shared_folder) if local_first else _told_folder(store, key, settings.start_s) as folder:
        if local_first:
            store.set(key, str(folder))
        seat = Seat.from_environment(folder)
        watch_in_background(settings, store.clone(), seat.size)
        code = run_rank(seat, work, store)
        if code:
            raise left_fault(store, [rank]) or RankFault(rank, socket.gethostname(), "its end", f"exit code {code}")
        store.add("finished", 1)
        if rank == 0 or local_first:  # rank 0 serves the store and reads it; a host's first rank owns its folder
            _wait_for_all(store, seat.size, settings.wait_s)
        if rank == 0:
            for number, case in enumerate(work.cases):
                on_result(case, read_results(store, number, seat.size))
            store.set("read", b"1")


def _wait_for_all(store: Any, size: int, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while store.add("finished", 0) < size and time.monotonic() < deadline:
        time.sleep(POLL_S)


@contextmanager
def _folder(shared: str) -> Iterator[Path]:
    """A folder in memory for what the ranks of a host share; gone afterwards, and at the latest with the next run."""
    place = Path(shared)
    if not place.is_dir():
        raise ConfigError("backend.shared_folder", shared, "there is no such folder")
    remove_leftovers(place, _STEM)
    folder = place / temporary_name(_STEM)
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        surely(partial(shutil.rmtree, folder, ignore_errors=True))


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that the ranks end and the folder goes."""
    is_free = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL  # a command has its own way to end
    if threading.current_thread() is not threading.main_thread() or not is_free:
        yield
        return

    def unwind(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _told_folder(store: Any, key: str, wait_s: float) -> Iterator[Path]:
    store.wait([key], timedelta(seconds=wait_s))
    yield Path(store.get(key).decode())


def _start(folder: Path, rank: int, ranks: int, port: int) -> subprocess.Popen[bytes]:
    environment = {
        "TORCH_CPP_LOG_LEVEL": "ERROR",  # a time-out of the store is ours to tell, in one line
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(ranks),
        "LOCAL_WORLD_SIZE": str(ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "CUDA_MODULE_LOADING": "EAGER",  # a lazy load could wait for a kernel that waits for us
    }
    return start_child("dwdp_hw.run.worker", str(folder), env=environment)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """End every rank by its process id and wait for it, so that its memory and handles are gone."""
    for process in processes:
        if process.poll() is None:
            process.kill()
    for process in processes:
        process.wait(timeout=_END_S)
        assert process.stdin is not None
        process.stdin.close()
