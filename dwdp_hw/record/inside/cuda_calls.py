"""Which functions of `cuda.bindings.runtime` copy, and what their arguments mean."""

from __future__ import annotations

from typing import Any

from dwdp_hw.record.inside.call_log import WATCHED, CallLog, Columns, watched_batch, watched_call


def _of_async(arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Columns, Any]:
    dst, src, count, _, stream = arguments if not named else _given(arguments, named, "dst src count kind stream")
    return ((dst,), (src,), (count,)), stream


def _of_peer(arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Columns, Any]:
    names = "dst dstDevice src srcDevice count stream"
    dst, _, src, _, count, stream = arguments if not named else _given(arguments, named, names)
    return ((dst,), (src,), (count,)), stream


def _of_batch(arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Columns, Any]:
    """Copies of the lists: their owner may change them afterwards."""
    names = "dsts srcs sizes count attrs attrsIdxs numAttrs stream"
    dsts, srcs, sizes, count, *_, stream = arguments if not named else _given(arguments, named, names)
    return (tuple(dsts)[:count], tuple(srcs)[:count], tuple(sizes)[:count]), stream


_BATCH = "cudaMemcpyBatchAsync"
_READ = {"cudaMemcpyAsync": _of_async, "cudaMemcpyPeerAsync": _of_peer, _BATCH: _of_batch}
FUNCTIONS = tuple(_READ)


def watch_cuda(module: Any, log: CallLog) -> list[str]:
    """Replace the module's copy functions by watched ones; return the names of those that it has."""
    found = [name for name in FUNCTIONS if hasattr(module, name)]
    for name in found:
        function = getattr(module, name)
        if not hasattr(function, WATCHED):  # cuda.cudart takes over what is already watched
            watch = watched_batch if name == _BATCH else watched_call
            setattr(module, name, watch(log, function, _READ[name]))
    return found


def _given(arguments: tuple[Any, ...], named: dict[str, Any], names: str) -> list[Any]:
    """All arguments in the order of the parameters."""
    of_all = dict(zip(names.split(), arguments, strict=False)) | named
    return [of_all.get(name) for name in names.split()]
