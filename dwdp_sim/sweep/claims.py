"""Claim a job for one process by a lock on a file, which the kernel releases however the process dies."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dwdp_sim.base.endings import surely
from dwdp_sim.sweep.own_file import Stranger, open_own, read_own

_DIGITS = 12  # more than any process's number has


@dataclass(frozen=True)
class Attempt:
    """One attempt to run a job, a line of its claim: the process that wrote it holds the lock or has died.

    Attributes:
        sweep: The sweep that started it.
        host: The machine.
        pid: The process.
    """

    sweep: str
    host: str
    pid: int


@contextmanager
def claim(path: Path) -> Iterator[int | None]:
    """Hold the claim at `path` while the block runs, then remove it; it stays only if the process is killed.

    Yields:
        The open file's descriptor; None if another process holds the claim.

    Raises:
        OSError: The file system has no locks, or cannot be written; `filename` is `path`.
        Stranger: A link or another's file is in its place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _lock(path)
    if descriptor is None:
        yield None
        return
    try:
        yield descriptor
    finally:
        surely(partial(path.unlink, missing_ok=True))
        os.close(descriptor)


def record(descriptor: int, path: Path, sweep: str) -> None:
    """Write into a held claim that `sweep` starts the job here."""
    try:
        os.lseek(descriptor, 0, os.SEEK_END)
        os.write(descriptor, f"{sweep} {socket.gethostname()} {os.getpid()}\n".encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def attempts(path: Path) -> list[Attempt]:
    """Return every attempt that a claim records; empty if there is no claim."""
    try:
        lines = read_own(path).decode("utf-8", "replace").splitlines()
    except (FileNotFoundError, Stranger):
        return []
    fields = [line.split() for line in lines]
    return [Attempt(w[0], w[1], int(w[2])) for w in fields if len(w) == 3 and w[2].isdecimal() and len(w[2]) < _DIGITS]


def is_held(path: Path) -> bool:
    """Whether a living process holds the claim."""
    try:
        descriptor = open_own(path, os.O_RDWR)
    except (FileNotFoundError, Stranger):
        return False
    try:
        return not _try_lock(descriptor, path)
    finally:
        os.close(descriptor)


def wait_until_free(path: Path) -> None:
    """Return once no process holds the claim."""
    try:
        descriptor = open_own(path, os.O_RDWR)
    except (FileNotFoundError, Stranger):
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _lock(path: Path) -> int | None:
    """Open and lock; again where the holder before us removed the file in between."""
    while True:
        try:
            descriptor = open_own(path, os.O_RDWR | os.O_CREAT)
        except Stranger as stranger:
            raise Stranger(None, f"{stranger.strerror} where a claim is wanted: remove it", str(path)) from stranger
        try:
            if not _try_lock(descriptor, path):
                os.close(descriptor)
                return None
            links = os.fstat(descriptor).st_nlink
            if links > 1:
                raise Stranger(None, "another name of a file elsewhere where a claim is wanted: remove it", str(path))
            if links > 0:
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _try_lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise OSError(error.errno, f"cannot be locked: {error.strerror}", str(path)) from error
    return True
