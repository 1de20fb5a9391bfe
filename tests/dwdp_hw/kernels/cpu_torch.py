"""Torch on the processor in the place of a GPU: kernels run at once, and events are marks of the host's clock."""

from __future__ import annotations

import time
import types
from contextlib import nullcontext
from typing import Any

import pytest

from dwdp_hw.kernels import layer

torch = pytest.importorskip("torch")


class _Event:
    def __init__(self, enable_timing: bool = True) -> None:
        self._at_s = 0.0

    def record(self) -> None:
        self._at_s = time.perf_counter()

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, later: _Event) -> float:
        return 1e3 * (later._at_s - self._at_s)


class CpuTorch(types.ModuleType):
    """The module `torch`, except for `torch.cuda`."""

    def __init__(self) -> None:
        super().__init__("torch")
        self.cuda = types.SimpleNamespace(
            Event=_Event,
            ExternalStream=lambda handle: handle,
            OutOfMemoryError=torch.OutOfMemoryError,
            _sleep=lambda cycles: None,
            empty_cache=lambda: None,
            get_device_name=lambda: "NVIDIA H200",
            set_device=lambda ordinal: None,
            stream=lambda stream: nullcontext(),
            synchronize=lambda: None,
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def cpu_layer(module: Any, *arguments: Any, **options: Any) -> layer.TorchLayer:
    """A layer on the processor, whatever device was asked for."""
    return layer.TorchLayer(module, *arguments, **{**options, "device": "cpu"})
