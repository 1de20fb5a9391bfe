"""Watch torch's copies to, from and within GPUs: `Tensor.copy_` and `Tensor.to`."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from dwdp_hw.record.inside.call_log import CallLog

NAMES = ("Tensor.copy_", "Tensor.to")


def watch_torch(torch: Any, log: CallLog) -> list[str]:
    """Replace both methods by watched ones; return their names."""
    note = functools.partial(_note, torch, log)
    torch.Tensor.copy_ = _watched_copy(torch.Tensor.copy_, note)
    torch.Tensor.to = _watched_to(torch.Tensor.to, note)
    return list(NAMES)


def _watched_copy(function: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def copy_(self: Any, src: Any, *more: Any, **named: Any) -> Any:
        begin_ns = time.monotonic_ns()
        result = function(self, src, *more, **named)
        if not (self.is_cpu and src.is_cpu):
            note("Tensor.copy_", self, src, begin_ns)
        return result

    return copy_


def _watched_to(function: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def to(self: Any, *arguments: Any, **named: Any) -> Any:
        begin_ns = time.monotonic_ns()
        result = function(self, *arguments, **named)
        if result is not self and not (self.is_cpu and result.is_cpu):
            note("Tensor.to", result, self, begin_ns)
        return result

    return to


def _note(torch: Any, log: CallLog, name: str, dst: Any, src: Any, begin_ns: int) -> None:
    """Note a copy as addresses, bytes and devices; the tensors themselves may be freed."""
    end_ns = time.monotonic_ns()
    try:
        plain = dst.dtype == src.dtype and dst.shape == src.shape and dst.is_contiguous() and src.is_contiguous()
        if not plain:
            log.converted += 1
            return
        at = next((device for device in (dst.device, src.device) if device.type == "cuda"), None)
        stream = torch.cuda.current_stream(at).cuda_stream if at is not None else 0
        ends = [(tensor.data_ptr(), tensor.device.type, tensor.device.index or 0) for tensor in (dst, src)]
        log.note(begin_ns, end_ns, name, (*ends, dst.numel() * dst.element_size()), stream, (0,))
    except Exception:  # a tensor without memory of its own; the engine comes first
        log.unread += 1
