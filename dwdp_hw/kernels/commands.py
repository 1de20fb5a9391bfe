"""Count the commands that torch puts on a stream: a stream takes about a thousand before its caller waits."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

# Operators that launch several kernels, and no less than so many.
_SEVERAL = {
    "sort": 16,
    "argsort": 16,
    "topk": 8,
    "index": 2,
    "index_add_": 2,
    "_scaled_grouped_mm": 3,
    "_grouped_mm": 3,
}
_OTHERS = 1
_ATTENTION = 4


def count_commands(run: Callable[[], None]) -> int:
    """Run `run` once and count at the operators of torch; views count nothing."""
    modes: Any = importlib.import_module("torch.utils._python_dispatch")
    total = 0

    def handle(self: object, func: Any, types: object, args: Any = (), kwargs: Any = None) -> Any:
        nonlocal total
        if not func.is_view:
            total += _commands(str(func.overloadpacket.__name__))
        return func(*args, **(kwargs or {}))

    counting = type("_Counting", (modes.TorchDispatchMode,), {"__torch_dispatch__": handle})
    with counting():
        run()
    return total


def _commands(name: str) -> int:
    return _ATTENTION if "attention" in name else _SEVERAL.get(name, _OTHERS)
