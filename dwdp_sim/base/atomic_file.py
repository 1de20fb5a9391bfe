"""Write files so that they appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dwdp_sim.base.endings import surely
from dwdp_sim.base.owner import temporary_name


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, flush it to disk, and rename it.

    Raises:
        OSError: It cannot be written, or is there and no regular file, such as a device, which a file would replace;
            `filename` is `path`.
    """
    if path.exists() and not path.is_file():
        raise OSError(None, "cannot be written: not a regular file", str(path))
    try:
        return _write_whole(path, write)
    except OSError as error:  # a full disk names no file, a missing folder the temporary one
        raise OSError(error.errno, f"cannot be written: {error.strerror or error}", str(path)) from error


def _write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / temporary_name(path.stem, path.suffix)
    try:
        # Open until it is complete: by that an end in the middle of a long call finds it.
        with temporary.open("xb") as handle:
            write(temporary)
            os.fsync(handle)
            temporary.chmod(0o644)
            temporary.replace(path)
    except BaseException:
        surely(partial(temporary.unlink, missing_ok=True))
        raise
    return path
