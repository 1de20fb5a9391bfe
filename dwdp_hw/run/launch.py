"""Start one process for each rank and leave nothing behind; several nodes need torchrun."""

from __future__ import annotations

import fcntl
import os
import pickle
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from dwdp_hw.group.faults import RankFault
from dwdp_hw.group.group import Seat, open_store
from dwdp_hw.run.supervise import POLL_S, OnResult, Supervision, left_fault, read_results, watch_in_background
from dwdp_hw.run.worker import SECRET, Work, run_rank

_END_S = 10.0
_PREFIX, _LOCK = "dwdp-hw-", "lock"
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
        (folder / "work").write_bytes(pickle.dumps(work))
        secret = secrets.token_hex(16)
        (folder / SECRET).write_text(secret)
        listener = socket.create_server(("127.0.0.1", 0))  # torch's own would listen on every address of the host
        port = int(listener.getsockname()[1])
        store = open_store("127.0.0.1", port, serve=listener, wait_s=work.settings.wait_s, secret=secret)
        processes: list[subprocess.Popen[bytes]] = []
        try:
            processes += [_start(folder, rank, ranks, port) for rank in range(ranks)]
            on_start([process.pid for process in processes])
            Supervision(work, store, processes, on_result).run()
        finally:
            _end(processes)


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
    place = Path(shared) if Path(shared).is_dir() else Path(tempfile.gettempdir())
    for left in place.glob(f"{_PREFIX}*"):
        _remove_if_abandoned(left)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    try:
        with (folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_if_abandoned(folder: Path) -> None:
    """Remove the folder of a launcher that was killed, whose lock is therefore free."""
    try:
        with (folder / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # in use, just being made, or somebody else's
        return


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that the ranks end and the folder goes."""
    if threading.current_thread() is not threading.main_thread():
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
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(ranks),
        "LOCAL_WORLD_SIZE": str(ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "CUDA_MODULE_LOADING": "EAGER",  # a lazy load could wait for a kernel that waits for us
    }
    command = [sys.executable, "-m", "dwdp_hw.run.worker", str(folder)]
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """End every rank by its process id and wait for it, so that its memory and handles are gone."""
    for process in processes:
        if process.poll() is None:
            process.kill()
    for process in processes:
        process.wait(timeout=_END_S)
