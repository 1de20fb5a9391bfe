"""A forward step on hardware: layers, two slots, compute windows, and the events that engines use."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dwdp_hw.cases.case import Case
from dwdp_hw.cases.result import LayerTimes
from dwdp_hw.executors.layout import SLOTS
from dwdp_sim.base.errors import ConfigError

if TYPE_CHECKING:
    from dwdp_hw.executors.cuda.rank import CudaRank

_POISON = 0xFFFFFFFF
_NONE_WRONG = (1 << 64) - 1
_REGION_SHIFT = 40
_MATRIX = 4096


@dataclass(frozen=True)
class _LayerEvents:
    copy_begin: Any
    copy_end: Any
    compute_begin: Any
    compute_end: Any


class PipelineRun:
    """The prefetch of layer l + 2 is issued after layer l's compute; layer l's compute waits for its prefetch."""

    def __init__(self, rank: CudaRank, case: Case, windows_s: Sequence[float]) -> None:
        """`windows_s`: compute time of each layer on this rank, in seconds."""
        assert case.pipeline is not None
        self._rank, self._case = rank, case
        gpu = rank.gpu
        self._compute_stream = gpu.stream()
        self._events = [_LayerEvents(*(gpu.event() for _ in range(4))) for _ in range(case.layers)]
        self._out = int(gpu.call(gpu.runtime.cudaMalloc, 16))
        self._wrong = int(gpu.call(gpu.runtime.cudaMalloc, 8 * case.layers))
        self._windows_ns = [int(window_s * 1e9) for window_s in windows_s]
        self._products: list[int] = []
        if case.pipeline.window == "matmul":
            self._prepare_products(windows_s)

    def run(self, verify: bool) -> list[LayerTimes]:
        """One step. With `verify`, each slot is compared in full when its layer computes, and poisoned again."""
        rank, gpu, launcher = self._rank, self._rank.gpu, self._rank.launcher
        for slot in range(min(SLOTS, self._case.layers)):
            rank.poison(slot)
        gpu.write(self._wrong, b"\xff" * (8 * self._case.layers))
        mode = self._case.issue_mode
        launcher.begin_step(mode)
        self._stream_waits(self._compute_stream, launcher.start_event)
        for layer in range(min(SLOTS, self._case.layers)):
            self._prefetch(layer)
        for layer in range(self._case.layers):
            self._compute(layer, verify)
            if layer + SLOTS < self._case.layers:
                self._stream_waits(rank.stream, self._events[layer].compute_end)
                self._prefetch(layer + SLOTS)
        launcher.end_queueing(mode)
        gpu.wait_event(self._events[-1].compute_end, "the end of the step")
        if verify:
            self._report_wrong()
        return [self._times(layer) for layer in range(self._case.layers)]

    def _prefetch(self, layer: int) -> None:
        rank, events = self._rank, self._events[layer]
        rank.gpu.record(events.copy_begin, rank.stream)
        for call in rank.calls[layer]:
            call()
        rank.gpu.record(events.copy_end, rank.stream)

    def _compute(self, layer: int, verify: bool) -> None:
        rank, events, stream = self._rank, self._events[layer], self._compute_stream
        self._stream_waits(stream, events.copy_end)
        rank.gpu.record(events.compute_begin, stream)
        if self._products:
            self._multiply(self._products[layer])
        else:
            rank.kernels.spin(self._windows_ns[layer], self._out, stream)
        if verify:
            rank.kernels.compare_later(rank.buffers.checked(layer), self._wrong + 8 * layer, stream)
            if layer + SLOTS < self._case.layers:
                rank.kernels.write(rank.buffers.expected(layer + SLOTS), _POISON, stream)
        rank.gpu.record(events.compute_end, stream)

    def _stream_waits(self, stream: int, event: Any) -> None:
        gpu = self._rank.gpu
        gpu.call(gpu.runtime.cudaStreamWaitEvent, stream, event, 0)

    def _report_wrong(self) -> None:
        rank = self._rank
        content = rank.gpu.read(self._wrong, 8 * self._case.layers, self._compute_stream)
        for layer in range(self._case.layers):
            wrong = int.from_bytes(content[8 * layer : 8 * layer + 8], "little")
            if wrong != _NONE_WRONG:
                name = rank.name_wrong(layer, wrong >> _REGION_SHIFT, wrong & ((1 << _REGION_SHIFT) - 1))
                raise rank.gpu.place.fault(f"wrong bytes: {name}")

    def _times(self, layer: int) -> LayerTimes:
        start, events, between = self._rank.launcher.start_event, self._events[layer], self._rank.gpu.between_s
        return LayerTimes(
            layer=layer,
            copy_begin_s=between(start, events.copy_begin),
            copy_end_s=between(start, events.copy_end),
            compute_begin_s=between(start, events.compute_begin),
            compute_end_s=between(start, events.compute_end),
        )

    def _prepare_products(self, windows_s: Sequence[float]) -> None:
        """Choose how many matrix products fill each window on this GPU."""
        gpu = self._rank.gpu
        try:
            torch = importlib.import_module("torch")
        except ImportError as error:
            raise ConfigError("backend.window", "matmul", f"needs torch ({error}); use spin") from error
        torch.cuda.set_device(gpu.ordinal)
        generator = torch.Generator(device="cuda").manual_seed(0)
        shape = (_MATRIX, _MATRIX)
        options = {"device": "cuda", "dtype": torch.bfloat16}
        self._left = torch.randn(shape, generator=generator, **options)
        self._right = torch.randn(shape, generator=generator, **options)
        self._product = torch.empty(shape, **options)
        torch.cuda.synchronize()
        self._torch, self._torch_stream = torch, torch.cuda.ExternalStream(self._compute_stream)
        begin, end = gpu.event(), gpu.event()
        for count in (10, 50):  # the first round warms up
            gpu.record(begin, self._compute_stream)
            self._multiply(count)
            gpu.record(end, self._compute_stream)
            gpu.wait_event(end, "calibrating matrix products")
        product_s = gpu.between_s(begin, end) / count
        self._products = [max(round(window_s / product_s), 1) for window_s in windows_s]

    def _multiply(self, count: int) -> None:
        with self._torch.cuda.stream(self._torch_stream):
            for _ in range(count):
                self._torch.mm(self._left, self._right, out=self._product)
