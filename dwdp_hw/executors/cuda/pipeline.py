"""A forward step on hardware: layers, two slots, compute windows, and the events that engines use."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dwdp_hw.cases.case import Case
from dwdp_hw.cases.result import LayerTimes
from dwdp_hw.executors.cuda.buffers import Buffers
from dwdp_hw.executors.cuda.gpu import Gpu, giving_back
from dwdp_hw.executors.cuda.issue import Call
from dwdp_hw.executors.cuda.kernels import NONE_WRONG, Kernels, place_of_wrong
from dwdp_hw.executors.cuda.timed_run import TimedStream
from dwdp_hw.executors.layout import SLOTS
from dwdp_sim.base.errors import ConfigError

if TYPE_CHECKING:
    from cuda.core import Event

_MATRIX = 4096


@dataclass(frozen=True)
class _LayerEvents:
    copy_begin: Event
    copy_end: Event
    compute_begin: Event
    compute_end: Event


class PipelineRun:
    """The prefetch of layer l + 2 is issued after layer l's compute; layer l's compute waits for its prefetch."""

    def __init__(
        self,
        gpu: Gpu,
        kernels: Kernels,
        timed: TimedStream,
        buffers: Buffers,
        calls: Sequence[Sequence[Call]],
        case: Case,
        windows_s: Sequence[float],
    ) -> None:
        """Prepare the steps of one case.

        Args:
            gpu: The GPU.
            kernels: Its kernels.
            timed: Where the copies are issued.
            buffers: The slots, made for `case`.
            calls: The calls of each layer.
            case: What is measured.
            windows_s: Compute time of each layer on this rank, in seconds.
        """
        assert case.pipeline is not None
        self._gpu, self._kernels, self._timed, self._buffers = gpu, kernels, timed, buffers
        self._calls, self._case = calls, case
        self._compute_stream = gpu.stream()
        self._events = [_LayerEvents(*(gpu.event() for _ in range(4))) for _ in range(case.layers)]
        self._windows_ns = [int(window_s * 1e9) for window_s in windows_s]
        self._products: list[int] = []
        with giving_back() as taken:
            self._spun, self._wrong = gpu.allocate(16), gpu.allocate(8 * case.layers)
            taken.callback(gpu.free, self._spun)
            taken.callback(gpu.free, self._wrong)
            if case.pipeline.window == "matmul":
                self._prepare_products(windows_s)
            self._taken = taken.pop_all()

    def run(self, verify: bool) -> list[LayerTimes]:
        """One step. With `verify`, each slot is compared in full when its layer computes, and poisoned again."""
        gpu, timed, layers = self._gpu, self._timed, self._case.layers
        for slot in range(min(SLOTS, layers)):
            self._buffers.poison(slot, timed.stream)
        gpu.write(self._wrong, NONE_WRONG * layers)
        mode = self._case.issue_mode
        timed.begin_step(mode)
        gpu.hold(self._compute_stream, timed.start)
        for layer in range(min(SLOTS, layers)):
            self._prefetch(layer)
        for layer in range(layers):
            self._compute(layer, verify)
            if layer + SLOTS < layers:
                gpu.hold(timed.stream, self._events[layer].compute_end)
                self._prefetch(layer + SLOTS)
        timed.end_queueing(mode)
        gpu.wait_event(self._events[-1].compute_end, "the end of the step")
        if verify:
            self._report_wrong()
        return [self._times(layer) for layer in range(layers)]

    def close(self) -> None:
        """Free what the steps' kernels write."""
        self._taken.close()

    def _prefetch(self, layer: int) -> None:
        events, stream = self._events[layer], self._timed.stream
        self._gpu.record(events.copy_begin, stream)
        for call in self._calls[layer]:
            call()
        self._gpu.record(events.copy_end, stream)

    def _compute(self, layer: int, verify: bool) -> None:
        events, stream, kernels, buffers = self._events[layer], self._compute_stream, self._kernels, self._buffers
        self._gpu.hold(stream, events.copy_end)
        self._gpu.record(events.compute_begin, stream)
        if self._products:
            self._multiply(self._products[layer])
        else:
            kernels.spin(self._windows_ns[layer], self._spun, stream)
        if verify:
            kernels.compare_later(buffers.checked(layer), self._wrong + 8 * layer, stream)
            if layer + SLOTS < self._case.layers:
                kernels.poison(buffers.expected(layer + SLOTS), stream)
        self._gpu.record(events.compute_end, stream)

    def _report_wrong(self) -> None:
        content = self._gpu.read(self._wrong, 8 * self._case.layers, self._compute_stream)
        for layer in range(self._case.layers):
            wrong = place_of_wrong(content[8 * layer : 8 * layer + 8])
            if wrong is not None:
                raise self._gpu.place.fault(f"wrong bytes: {self._buffers.name_of_wrong(layer, *wrong)}")

    def _times(self, layer: int) -> LayerTimes:
        start, events, between = self._timed.start, self._events[layer], self._gpu.between_s
        return LayerTimes(
            layer=layer,
            copy_begin_s=between(start, events.copy_begin),
            copy_end_s=between(start, events.copy_end),
            compute_begin_s=between(start, events.compute_begin),
            compute_end_s=between(start, events.compute_end),
        )

    def _prepare_products(self, windows_s: Sequence[float]) -> None:
        """Choose how many matrix products fill each window on this GPU."""
        gpu = self._gpu
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
        self._torch, self._torch_stream = torch, torch.cuda.ExternalStream(int(self._compute_stream.handle))
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
