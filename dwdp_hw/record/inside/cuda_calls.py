"""Which functions of `cuda.bindings.runtime` copy, and what their arguments mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dwdp_hw.record.inside.call_log import WATCHED, CallLog, MadeCall, watched_batch, watched_call

_PARAMETERS: dict[str, tuple[str, ...]] = {
    "cudaMemcpyAsync": ("dst", "src", "count", "kind", "stream"),
    "cudaMemcpyPeerAsync": ("dst", "dstDevice", "src", "srcDevice", "count", "stream"),
    "cudaMemcpyBatchAsync": ("dsts", "srcs", "sizes", "count", "attrs", "attrsIdxs", "numAttrs", "stream"),
}
FUNCTIONS = tuple(_PARAMETERS)
_WRAPPERS: dict[str, Callable[[CallLog, Callable[..., Any]], Callable[..., Any]]] = {
    "cudaMemcpyAsync": watched_call,
    "cudaMemcpyPeerAsync": watched_call,
    "cudaMemcpyBatchAsync": watched_batch,
}


def watch_cuda(module: Any, log: CallLog) -> list[str]:
    """Replace the module's copy functions by watched ones; return the names of those that it has."""
    found = [name for name in _WRAPPERS if hasattr(module, name)]
    for name in found:
        function = getattr(module, name)
        if not hasattr(function, WATCHED):  # cuda.cudart takes over what is already watched
            setattr(module, name, _WRAPPERS[name](log, function))
    return found


Columns = tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]


def copies_of(call: MadeCall) -> tuple[Columns, int]:
    """Return destinations, sources and bytes of a call's copies, as the caller gave them, and the stream's handle."""
    given = dict(zip(_PARAMETERS[call.name], call.arguments, strict=False)) | call.named
    stream = int(given["stream"] or 0)
    if call.name != "cudaMemcpyBatchAsync":
        return ((given["dst"],), (given["src"],), (given["count"],)), stream
    count = int(given["count"])
    dsts, srcs, sizes = (tuple(given[name])[:count] for name in ("dsts", "srcs", "sizes"))
    return (dsts, srcs, sizes), stream
