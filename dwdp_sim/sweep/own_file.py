"""Open files of a results folder, where others may have put links, pipes and files of their own."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class Stranger(OSError):
    """An entry of a results folder that is no file of a sweep; `filename` is its path, `strerror` what it is."""


def open_own(path: Path, flags: int) -> int:
    """Open a regular file, never through a link, and never waiting for the other end of a pipe.

    Returns:
        The descriptor.

    Raises:
        Stranger: It is a link, a folder, a pipe or the like.
        OSError: It cannot be opened.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except OSError as error:
        stranger = _stranger(path)
        if stranger is None:
            raise
        raise stranger from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Stranger(None, "no regular file", str(path))
    return descriptor


def read_own(path: Path) -> bytes:
    """The contents of a file; raises as `open_own`."""
    with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
        return file.read()


def _stranger(path: Path) -> Stranger | None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return None
    if stat.S_ISREG(mode):
        return None
    return Stranger(None, "a link" if stat.S_ISLNK(mode) else "no regular file", str(path))
