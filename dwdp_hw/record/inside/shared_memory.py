"""Notice which memory processes share by CUDA IPC: of opened memory the driver only says which GPU opened it."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any

from dwdp_hw.record.inside.call_log import WATCHED, CallLog

_OFFER, _OPEN = _FUNCTIONS = ("cudaIpcGetMemHandle", "cudaIpcOpenMemHandle")


def watch_sharing(module: Any, log: CallLog) -> None:
    """Replace the module's functions that share memory by watched ones."""
    for name in [name for name in _FUNCTIONS if hasattr(module, name)]:
        function = getattr(module, name)
        if not hasattr(function, WATCHED):
            setattr(module, name, _watched(log, function))


def _watched(log: CallLog, function: Callable[..., Any]) -> Callable[..., Any]:
    name = function.__name__

    @functools.wraps(function)
    def watched(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        try:
            given = arguments[0] if arguments else next(iter(named.values()))
            if int(result[0]) == 0:
                address, handle = (given, result[1]) if name == _OFFER else (result[1], given)
                digest = hashlib.sha256(bytes(handle.reserved)).hexdigest()[:16]
                log.shared.append((name == _OPEN, int(address), digest))
        except Exception:  # arguments of a version that is not known; the engine comes first
            log.unread += 1
        return result

    setattr(watched, WATCHED, True)
    return watched
