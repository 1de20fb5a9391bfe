"""Numba's compiler with the settings of this engine, typed for mypy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])
# A division by zero gives infinity; no operation is reordered; compiled code allocates no memory.
_SETTINGS: dict[str, Any] = {"error_model": "numpy", "no_rewrites": True, "_nrt": False}
_INNER = _SETTINGS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled(function: _Function) -> _Function:
    """Compile `function`, which only compiled code calls."""
    return cast(_Function, numba.njit(**_INNER)(function))


def without_nan(function: _Function) -> _Function:
    """Compile `function`, which never meets NaN: then the least of many numbers is found several at a time."""
    return cast(_Function, numba.njit(**_INNER, fastmath={"nnan", "nsz"})(function))


def cached(function: _Function) -> _Function:
    """Compile `function`, or take it from numba's cache on disk."""
    return cast(_Function, numba.njit(**_SETTINGS, nogil=True, cache=True)(function))
