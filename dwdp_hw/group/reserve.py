"""Take the memory of a shared file before it is mapped."""

from __future__ import annotations

import os
from pathlib import Path

from dwdp_sim.base.errors import ConfigError


def reserve(handle: int, size: int, path: Path) -> None:
    """Make an open file of the run's folder `size` bytes long, all of them there.

    Without that a process would be killed (SIGBUS) when it touches a page for which the folder has no room.

    Raises:
        ConfigError: It has no room.
    """
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        shared = path.parent.parent
        allowed = f"has no room for a file of {size} bytes: {error.strerror}; name another folder in memory"
        raise ConfigError("backend.shared_folder", shared, allowed) from error
