"""Machine code of the event loop: what it was made for, and how it gets into a process, without numba."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import llvmlite.binding as llvm

from dwdp_sim.base.arrays import Ints


@dataclass(frozen=True)
class MachineCode:
    """An object file.

    Attributes:
        entry: The name in it of the event loop, which takes what numba's functions do: where to put the result and
            an exception, then the addresses of the state's tables and the number of events.
        content: The file.
    """

    entry: str
    content: bytes


def fingerprint() -> str:
    """Return what machine code depends on, as a name: the engine's source, the compilers, and this processor."""
    source = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    compilers = f"numba {metadata.version('numba')}, llvmlite {metadata.version('llvmlite')}"
    processor = f"{llvm.get_default_triple()} {llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"
    return hashlib.sha256(b"\0".join([source, compilers.encode(), processor.encode()])).hexdigest()[:24]


def load(code: MachineCode) -> Callable[[Ints, int], int]:
    """Load the event loop into this process.

    Returns:
        The loop: given the addresses of the state's tables (`state.addresses`) and a number of events, it handles at
        most so many and says why no more, as `loop.run_events` does. Other threads run meanwhile.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code.content))
    engine.finalize_object()
    words, out = ctypes.POINTER(ctypes.c_int64), ctypes.POINTER(ctypes.c_void_p)
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, words, out, ctypes.c_void_p, ctypes.c_int64)
    function = kind(engine.get_function_address(code.entry))

    def loop(tables: Ints, most: int, _kept: llvm.ExecutionEngine = engine) -> int:
        why, fault = ctypes.c_int64(), ctypes.c_void_p()
        if function(ctypes.byref(why), ctypes.byref(fault), tables.ctypes.data, most):
            raise RuntimeError("the compiled engine raised an exception")
        return why.value

    return loop
