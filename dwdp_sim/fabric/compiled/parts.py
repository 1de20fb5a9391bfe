"""Have numba optimise the loop and all that it calls at once.

Left to itself, numba optimises every function together with copies of all that it calls, turns that into machine code,
and does the same again for each caller: what moves a flow is compiled ten times over. A part is only linked into its
callers; the loop, which is none, is then optimised and compiled with all of them, once.
"""

from __future__ import annotations

from typing import Any

import numba
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.untyped_passes import TranslateByteCode

_TRIED_NUMBA = ((0, 68),)  # code libraries are numba's own affair, and one that does not fit may end the process


class _Part(JITCodeLibrary):
    """The code of a function that only compiled code calls: neither optimised nor turned into machine code."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def finalize(self) -> None:
        """Link what the function calls."""
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """There is none, as for every function without a wrapper for Python."""
        self._ensure_finalized()
        return 0

    @property
    def codegen(self) -> _Part:
        """What numba asks to note the function's environment."""
        return self

    def set_env(self, name: str, env: Any) -> None:
        """An environment is what objects of Python need, of which compiled code has none."""


@register_pass(mutates_CFG=False, analysis_only=True)
class _AsPart(FunctionPass):
    _name = "dwdp_as_part"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        state.library = _Part(state.targetctx.codegen(), state.func_id.func_qualname)
        return False


class _PartCompiler(CompilerBase):
    """Numba's steps of compiling, with the library of a part."""

    def define_pipelines(self) -> list[Any]:
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.add_pass_after(_AsPart, TranslateByteCode)
        manager.finalize()
        return [manager]


def part_settings() -> dict[str, Any]:
    """Return what `numba.njit` is told of a part; nothing for a version of numba with which this was never tried."""
    tried = numba.version_info.short in _TRIED_NUMBA
    return {"pipeline_class": _PartCompiler} if tried else {}
