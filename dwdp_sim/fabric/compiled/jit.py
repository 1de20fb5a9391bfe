"""Numba's compiler with the settings of this engine, typed for mypy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba import types

from dwdp_sim.fabric.compiled.machine_code import MachineCode
from dwdp_sim.fabric.compiled.parts import part_settings

_Function = TypeVar("_Function", bound=Callable[..., object])
# A division by zero gives infinity; no operation is reordered; compiled code allocates no memory, and no function of
# it can be called from Python.
_SETTINGS: dict[str, Any] = {
    "error_model": "numpy",
    "no_rewrites": True,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
}
_PART = _SETTINGS | part_settings()
_LOADED_WITH_PYTHON = {"memset", "memcpy", "memmove"}


def compiled(function: _Function) -> _Function:
    """Compile `function`, which only compiled code calls."""
    return cast(_Function, numba.njit(**_PART)(function))


def inlined(function: _Function) -> _Function:
    """Compile `function`, which is so short or so often called that it becomes part of its callers."""
    return cast(_Function, numba.njit(**_PART, forceinline=True)(function))


def compile_whole(function: Callable[..., int]) -> MachineCode:
    """Compile `function`, of the addresses of the state's tables and a whole number, with all that it calls.

    Raises:
        RuntimeError: The code calls something that is in no process without numba.
    """
    made: Any = numba.njit(types.int64(types.CPointer(types.int64), types.int64), **_SETTINGS)(function)
    (found,) = made.overloads.values()
    calls = {f.name for f in found.library._final_module.functions if f.is_declaration}
    missing = {name for name in calls if not name.startswith("llvm.")} - _LOADED_WITH_PYTHON
    if missing:
        raise RuntimeError(f"the compiled engine calls {', '.join(sorted(missing))}")
    _, _, (content, _) = found.library.serialize_using_object_code()
    return MachineCode(found.fndesc.llvm_func_name, content)
