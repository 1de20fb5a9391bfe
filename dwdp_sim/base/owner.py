"""Names that say which process made a temporary file or folder, so that what a killed one leaves can be removed."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
import zlib
from contextlib import suppress
from pathlib import Path

_MARK = re.compile(r"\.([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{8}(?:\.[^.]*)?$")


def temporary_name(stem: str, suffix: str = "") -> str:
    """Return a new name that carries the machine, the number and the start of this process: `.STEM.MARK` and suffix."""
    mark = f"{_machine()}-{os.getpid()}-{_started(os.getpid())}"
    return f".{stem[:64]}.{mark}-{secrets.token_hex(4)}{suffix}"


def remove_leftovers(folder: Path, stem: str = "") -> None:
    """Remove the temporary files and folders of processes of this machine that have ended.

    Args:
        folder: Where to look, not below it; nothing happens if there is no such folder.
        stem: Only those that were named with it; all if empty.
    """
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name.startswith(f".{stem}") and _is_left(entry.name):
                _remove(entry)


def remove_unfinished() -> None:
    """Remove the temporary files that this process has open, where the system lists those (`/proc`)."""
    with suppress(OSError):
        for number in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                path = os.readlink(f"/proc/self/fd/{number}")
                mark = _MARK.search(path)
                if mark and int(mark[2]) == os.getpid():
                    os.unlink(path)


def _is_left(name: str) -> bool:
    mark = _MARK.search(name)
    if mark is None or mark[1] != _machine():
        return False
    return _started(int(mark[2])) != int(mark[3])


def _remove(entry: os.DirEntry[str]) -> None:
    with suppress(OSError):  # another user's, or removed by another start
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.path)
        elif entry.stat(follow_symlinks=False).st_uid == os.getuid():
            shutil.rmtree(entry.path, ignore_errors=True)


def _machine() -> str:
    """Eight digits for this machine: a process's number means nothing on another one, or in another container."""
    try:
        numbering = os.readlink("/proc/self/ns/pid")
    except OSError:
        numbering = ""
    return f"{zlib.crc32(f'{os.uname().nodename} {numbering}'.encode()):08x}"


def _started(pid: int) -> int | None:
    """When a process started, in ticks since the machine did (0 where that cannot be known); None if it has ended."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None if sys.platform == "linux" else _is_there(pid)
    return None if state in "ZX" else int(fields[18])


def _is_there(pid: int) -> int | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return 0
