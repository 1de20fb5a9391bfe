"""Start one rank's calls together with the other ranks', behind a gate or as issued, and time them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dwdp_hw.cases.case import QUEUE_LIMIT_CALLS, Settings
from dwdp_hw.cases.result import Detail, Sample
from dwdp_hw.executors.cuda.clock import ClockOffset
from dwdp_hw.executors.cuda.device_barrier import COMMANDS_A_CALL, DeviceBarrier
from dwdp_hw.executors.cuda.gpu import Gpu, giving_back
from dwdp_hw.executors.cuda.issue import Call
from dwdp_hw.executors.cuda.kernels import Kernels
from dwdp_hw.executors.cuda.pinned import OWN_GO, KernelReports, PinnedWords
from dwdp_hw.executors.cuda.slice_watch import SliceWatch
from dwdp_hw.group.group import Group
from dwdp_sim.base.arrays import Ints

if TYPE_CHECKING:
    from cuda.core import Event, Stream

_START_DELAY_S = 2e-3
_MOST_CALL_EVENTS = 300
_HANG_FACTOR = 10.0


@dataclass(frozen=True)
class _Marks:
    """What one run left behind."""

    began_s: float
    host_s: float
    queued_calls: int
    issued_s: list[float]
    call_events: list[Event]


class TimedStream:
    """A stream on which prepared calls start together with the other ranks' and are timed.

    Attributes:
        stream: The stream.
        start: The event recorded at the start of each run.
    """

    def __init__(
        self, gpu: Gpu, kernels: Kernels, group: Group, settings: Settings, stream: Stream, pinned: PinnedWords
    ) -> None:
        self._gpu, self._kernels, self._group, self.stream = gpu, kernels, group, stream
        self._pinned = pinned
        self._gate_timeout_ns = int(settings.gate_timeout_s * 1e9)
        self._hang_ns = int(settings.wait_s * _HANG_FACTOR * 1e9)
        self._gate = 0
        self._limit = QUEUE_LIMIT_CALLS
        page, runtime = group.page, gpu.runtime
        with giving_back() as taken:
            gpu.call(runtime.cudaHostRegister, page.address, page.size, runtime.cudaHostRegisterMapped)
            taken.callback(gpu.call, runtime.cudaHostUnregister, page.address)
            page_address = int(gpu.call(runtime.cudaHostGetDevicePointer, page.address, 0))
            self._go = page_address + (page.go_address - page.address)
            self._reports = KernelReports(gpu)
            taken.callback(self._reports.free)
            self.start, self._end = gpu.event(), gpu.event()
            self._barrier = DeviceBarrier(gpu, kernels, group, stream, page_address, self._reports.barrier)
            self._taken = taken.pop_all()

    def with_barriers(self, calls: list[Call], barrier: Ints) -> list[Call]:
        """Give each call the meeting of all ranks that its barrier asks for."""
        wrapped = self._barrier.wrap(calls, barrier)
        self._limit = QUEUE_LIMIT_CALLS // (1 if wrapped is calls else COMMANDS_A_CALL)
        return wrapped

    def run(self, calls: Sequence[Call], issue_mode: str, clock: ClockOffset, later_s: float = 0.0) -> Sample:
        """One run, timed by two events around the calls; it begins `later_s` after the common start."""
        marks = self._go_together(calls, issue_mode, later_s, gated=issue_mode == "queued", events=False)
        self._gpu.wait_event(self._end, "the end of the copies")
        opened_ns, late = self._reports.read_gates(self.stream)
        queued = issue_mode == "queued"
        return Sample(
            elapsed_s=self._gpu.between_s(self.start, self._end),
            host_s=marks.host_s,
            started_s=clock.host_s(opened_ns) if queued else marks.began_s - later_s,
            queued_calls=marks.queued_calls,
            gate_late=queued and late,
        )

    def watched_run(self, calls: Sequence[Call], issue_mode: str, watch: SliceWatch, later_s: float = 0.0) -> Detail:
        """One run with an event after each call and a stamp for each slice. Not for timing: the events cost time."""
        watch.start()
        marks = self._go_together(calls, issue_mode, later_s, gated=True, events=len(calls) <= _MOST_CALL_EVENTS)
        self._gpu.wait_event(self._end, "the end of the copies")
        opened_ns, _late = self._reports.read_gates(self.stream)
        nothing = float("nan")
        if issue_mode == "queued":  # the gate is in front of the delay
            opened_ns += int(later_s * 1e9)
        arrivals = [(stamp - opened_ns) / 1e9 if stamp else nothing for stamp in watch.arrival_ns()]
        ends = [self._gpu.between_s(self.start, event) for event in marks.call_events]
        for event in marks.call_events:
            event.close()
        issued = marks.issued_s if issue_mode == "as_issued" else [0.0] * len(calls)
        return Detail(arrivals, issued, ends or [nothing] * len(calls))

    def serve(self, issue_mode: str) -> None:
        """Take part in the meetings of a run without copying."""
        self._meet_before(issue_mode)
        if issue_mode == "queued":
            self._open_when_queued()

    def host_time_s(self, calls: Sequence[Call], issue_mode: str) -> float:
        """Host seconds for the calls: on an idle stream (as issued), or on one that a gate of this rank holds."""
        words = self._pinned.words
        if issue_mode == "queued":
            words[OWN_GO] = 0
            own_go = self._pinned.address(OWN_GO)
            self._kernels.gate(own_go, 1, 1, 1, self._gate_timeout_ns, self._reports.gate, self.stream)
        began = time.perf_counter()
        for call in calls[:QUEUE_LIMIT_CALLS]:
            call()
        elapsed_s = time.perf_counter() - began
        words[OWN_GO] = 1
        for call in calls[QUEUE_LIMIT_CALLS:]:  # run, so that every byte arrives, but not timed
            call()
        self._gpu.finish(self.stream, "the end of the copies")
        return elapsed_s

    def hang(self) -> None:
        """Put a kernel on the stream that ends far after every deadline."""
        self._kernels.spin(self._hang_ns, self._reports.spin, self.stream)

    def close(self) -> None:
        """Unregister the page and free what the kernels write."""
        self._taken.close()

    def begin_step(self, issue_mode: str) -> None:
        """Meet, close the gate where the mode wants one, and record the start: a pipeline's own beginning."""
        self._meet_before(issue_mode)
        if issue_mode == "queued":
            self._close_gate()
        self._gpu.record(self.start, self.stream)

    def end_queueing(self, issue_mode: str) -> None:
        """Open the gates of all ranks together, now that everything is queued."""
        if issue_mode == "queued":
            self._open_when_queued()

    def refuse_late_gate(self, issue_mode: str) -> None:
        """Wait for the stream, and end the run if its gate opened before everything was queued.

        Raises:
            RankFault: It did.
        """
        if issue_mode == "queued" and self._reports.read_gates(self.stream)[1]:
            raise self._group.place.fault("the gate opened by its time-out before the whole step was queued")

    def _meet_before(self, issue_mode: str, later_s: float = 0.0) -> int:
        self._group.meet("the start of a run")
        self._gate += 1
        if issue_mode == "queued" or not self._group.one_host:
            return 0
        target_ns = self._group.page.agree_on_start(_START_DELAY_S, lambda: self._group.meet("the start time"))
        target_ns += int(later_s * 1e9)
        while time.monotonic_ns() < target_ns:
            pass  # at most two milliseconds; sleeping would add its own skew
        return target_ns

    def _close_gate(self, number: int | None = None) -> None:
        wanted = self._gate if number is None else number
        self._kernels.gate(self._go, 1, 1, wanted, self._gate_timeout_ns, self._reports.gate, self.stream)

    def _open_when_queued(self) -> None:
        self._group.meet("everything queued")
        if self._group.seat.local_rank == 0:
            self._group.page.open_gates(self._gate)

    def _go_together(
        self, calls: Sequence[Call], issue_mode: str, later_s: float, *, gated: bool, events: bool
    ) -> _Marks:
        queued = issue_mode == "queued"
        made = [self._gpu.event() for _ in calls] if events else []
        self._meet_before(issue_mode, later_s)
        began_s = time.monotonic()
        if gated:  # as issued, the gate is open and only stamps the start
            self._close_gate(None if queued else 0)
        if queued and later_s:
            self._kernels.spin(int(later_s * 1e9), self._reports.spin, self.stream)
        self._gpu.record(self.start, self.stream)
        self._group.place.at("issuing the copies")
        limit = self._limit if queued else 0
        issued_s: list[float] = []
        host_s = self._issue(calls[:limit], made[:limit], began_s, issued_s)
        if queued and len(calls) <= limit:
            self._gpu.record(self._end, self.stream)
        self.end_queueing(issue_mode)
        host_s += self._issue(calls[limit:], made[limit:], began_s, issued_s)
        if len(calls) > limit:
            self._gpu.record(self._end, self.stream)
        return _Marks(began_s, host_s, min(limit, len(calls)), issued_s, made)

    def _issue(self, calls: Sequence[Call], events: Sequence[Event], began_s: float, issued_s: list[float]) -> float:
        first = time.perf_counter()
        if not events:
            for call in calls:
                call()
            return time.perf_counter() - first
        for call, event in zip(calls, events, strict=True):
            call()
            issued_s.append(time.monotonic() - began_s)
            self._gpu.record(event, self.stream)
        return time.perf_counter() - first
