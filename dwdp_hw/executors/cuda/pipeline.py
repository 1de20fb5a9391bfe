"""A forward step on hardware: layers, two slots, compute windows, and the events that engines use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dwdp_hw.cases.case import QUEUE_LIMIT_CALLS, Case
from dwdp_hw.cases.result import LayerTimes
from dwdp_hw.executors.cuda.buffers import Buffers
from dwdp_hw.executors.cuda.gpu import Gpu, giving_back
from dwdp_hw.executors.cuda.issue import Call
from dwdp_hw.executors.cuda.kernels import NONE_WRONG, Kernels, place_of_wrong
from dwdp_hw.executors.cuda.timed_run import TimedStream
from dwdp_hw.executors.cuda.windows import make_windows
from dwdp_hw.executors.layout import SLOTS
from dwdp_sim.base.errors import ConfigError

if TYPE_CHECKING:
    from cuda.core import Event

_EVENTS = 4  # that a layer records or waits for on either stream


@dataclass(frozen=True)
class _LayerEvents:
    copy_begin: Event
    copy_end: Event
    before_end: Event
    compute_begin: Event
    compute_end: Event


class PipelineRun:
    """The prefetch of layer l + 2 is issued after layer l's compute; layer l's compute waits for its prefetch.

    What a layer computes before its MoE block, if anything, runs before that wait.
    """

    def __init__(
        self,
        gpu: Gpu,
        kernels: Kernels,
        timed: TimedStream,
        buffers: Buffers,
        calls: Sequence[Sequence[Call]],
        case: Case,
        rank: int,
    ) -> None:
        """Prepare the steps of one case.

        Args:
            gpu: The GPU.
            kernels: Its kernels.
            timed: Where the copies are issued.
            buffers: The slots, made for `case`.
            calls: The calls of each layer.
            case: What is measured.
            rank: This rank.

        Raises:
            ConfigError: The windows cannot be computed here, or a queued step does not fit a stream's queue.
        """
        assert case.pipeline is not None
        self._gpu, self._kernels, self._timed, self._buffers = gpu, kernels, timed, buffers
        self._calls, self._case = calls, case
        self._compute_stream = gpu.stream()
        self._events = [_LayerEvents(*(gpu.event() for _ in range(5))) for _ in range(case.layers)]
        with giving_back() as taken:
            self._wrong = gpu.allocate(8 * case.layers)
            taken.callback(gpu.free, self._wrong)
            self._windows = make_windows(gpu, kernels, case, rank, self._compute_stream)
            taken.callback(self._windows.close)
            if case.issue_mode == "queued":
                self._refuse_too_long()
            self._taken = taken.pop_all()

    def _refuse_too_long(self) -> None:
        """Behind a closed gate, a stream that is full would hold its caller, who alone can open the gate."""
        computing = self._case.layers * (self._windows.commands + _EVENTS)
        copying = sum(len(calls) for calls in self._calls) + self._case.layers * _EVENTS
        for what, commands in (("kernels", computing), ("copy calls", copying)):
            if commands > QUEUE_LIMIT_CALLS:
                allowed = (
                    f"{commands} {what} and events of a step do not fit a stream, which takes {QUEUE_LIMIT_CALLS} "
                    "behind a closed gate; take fewer layers, or issue_mode=as_issued"
                )
                raise ConfigError("backend.layers", self._case.layers, allowed)

    def run(self, verify: bool) -> list[LayerTimes]:
        """One step. With `verify`, each slot is compared in full when its layer computes, and poisoned again."""
        gpu, timed, layers = self._gpu, self._timed, self._case.layers
        for slot in range(min(SLOTS, layers)):
            self._buffers.poison(slot, timed.stream)
        gpu.write(self._wrong, NONE_WRONG * layers)
        for layer in range(layers if verify else 0):  # their tables must not be allocated behind a closed gate
            self._buffers.checked(layer)
            self._buffers.expected(layer)
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
        timed.refuse_late_gate(mode)
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
        if self._windows.has_before:
            self._windows.before(layer)
            self._gpu.record(events.before_end, stream)
        self._gpu.hold(stream, events.copy_end)
        self._gpu.record(events.compute_begin, stream)
        self._windows.compute(layer)
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
            before_end_s=between(start, events.before_end) if self._windows.has_before else None,
        )
