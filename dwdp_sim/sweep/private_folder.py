"""A folder that only the user can write to, for the pickles that launchers leave and their workers run."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

_SWEEP = re.compile(r"[0-9a-f]{16}")


def make(sweep: str) -> Path:
    """Return the folder of a sweep's launchers, in the user's cache: others may be able to write to a results folder.

    Args:
        sweep: Its name.

    Raises:
        OSError: It cannot be made, or others can write to it.
    """
    folder = _path(sweep)
    for place in (folder.parent, folder):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(mode=0o700, exist_ok=True)
        found = place.lstat()
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise OSError(None, "others can write to it; set XDG_CACHE_HOME to a folder of your own", str(place))
    return folder


def remove(sweep: str) -> None:
    """Remove the folder of a sweep that is over; nothing if it has none, or no sweep has such a name."""
    if _SWEEP.fullmatch(sweep):
        shutil.rmtree(_path(sweep), ignore_errors=True)


def _path(sweep: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME")
    return Path(cache or Path.home() / ".cache") / "dwdp-toolkit-launchers" / sweep
