"""Keep machine code on disk: the first start compiles it, later ones load it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.fabric.compiled.machine_code import MachineCode

_NAME = "dwdp-toolkit-engine"
_OTHERS_WRITE = 0o022


def read_code(key: str) -> MachineCode | None:
    """Return the machine code that `keep_code` was given with this key; None if none is kept, or it is damaged."""
    for folder in _folders():
        path = folder / f"{key}.code"
        with suppress(OSError):
            if not _others_can_write(folder) and not _others_can_write(path):
                code = _decoded(path.read_bytes())
                if code is not None:
                    return code
    return None


def keep_code(key: str, code: MachineCode) -> None:
    """Write machine code into the first folder that can be written to; where there is none, the next start compiles."""
    body = code.entry.encode() + b"\n" + code.content
    content = hashlib.sha256(body).digest() + body
    for folder in _folders():
        with suppress(OSError):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            if not _others_can_write(folder):
                write_whole(folder / f"{key}.code", lambda temporary: temporary.write_bytes(content))
                return


def _folders() -> Iterator[Path]:
    """Beside the source, in the user's folder for such things, and among the temporary files."""
    yield Path(__file__).parent / "__pycache__"
    with suppress(RuntimeError):  # no home
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / _NAME
    yield Path(tempfile.gettempdir()) / f"{_NAME}-{os.geteuid()}"


def _others_can_write(path: Path) -> bool:
    """Whether other users than this one and root can change it: what is read from it is run.

    Raises:
        OSError: It is not there.
    """
    found = path.lstat()
    return found.st_uid not in (0, os.geteuid()) or bool(found.st_mode & _OTHERS_WRITE)


def _decoded(content: bytes) -> MachineCode | None:
    digest, body = content[:32], content[32:]
    if hashlib.sha256(body).digest() != digest:
        return None
    entry, _, code = body.partition(b"\n")
    return MachineCode(entry.decode(), code)
