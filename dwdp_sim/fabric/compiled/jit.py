"""Numba's compiler with the settings of this engine, typed for mypy."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])
# A division by zero gives infinity; no operation is reordered; compiled code allocates no memory.
_SETTINGS: dict[str, Any] = {"error_model": "numpy", "no_rewrites": True, "_nrt": False}
_INNER = _SETTINGS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled(function: _Function) -> _Function:
    """Compile `function`, which only compiled code calls."""
    return cast(_Function, numba.njit(**_INNER)(function))


def inlined(function: _Function) -> _Function:
    """Compile `function`, which is so short or so often called that it becomes part of its callers."""
    return cast(_Function, numba.njit(**_INNER, forceinline=True)(function))


def _private_folder() -> Path:
    """A folder among the temporary files into which only this user can write, since what is read from it is run."""
    folder = Path(tempfile.gettempdir()) / f"dwdp-toolkit-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        return folder
    return Path(tempfile.mkdtemp(prefix="dwdp-toolkit-"))


def cached(function: _Function) -> tuple[_Function, Path]:
    """Compile `function` at its first call, or take it from numba's cache on disk; return also where that is.

    The cache is beside the source where that can be written to, else in the user's folder for such things, else in
    the folder for temporary files. `NUMBA_CACHE_DIR` overrides all of these.
    """
    try:
        loop = numba.njit(**_SETTINGS, nogil=True, cache=True)(function)
    except RuntimeError:  # no folder can be written to
        cast(Any, numba.config).CACHE_DIR = str(_private_folder())
        loop = numba.njit(**_SETTINGS, nogil=True, cache=True)(function)
    return cast(_Function, loop), Path(loop.stats.cache_path)
