"""Let all ranks wait for one another on their GPUs, between the waves of a plan, without the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dwdp_hw.executors.cuda.gpu import Gpu
from dwdp_hw.executors.cuda.issue import Call
from dwdp_hw.executors.cuda.kernels import Kernels
from dwdp_hw.group.group import Group
from dwdp_sim.base.arrays import Ints
from dwdp_sim.plan.copy_plan import NO_BARRIER

if TYPE_CHECKING:
    from cuda.core import Stream

COMMANDS_A_CALL = 3  # a signal, a gate, and the call itself
_NUMBERS_A_RUN = 1 << 32


class DeviceBarrier:
    """Each rank has a word in shared pinned memory that says which waves it has finished; gates wait for all words.

    The words only rise: each run of a plan has its own range of numbers, and a rank that has issued its last wave sets
    its word to the end of the range, so that ranks with more waves do not wait for it.
    """

    def __init__(self, gpu: Gpu, kernels: Kernels, group: Group, stream: Stream, page_address: int, out: int) -> None:
        """`page_address`: the shared page as the GPU sees it; `out`: 16 bytes for what the gates write."""
        self._kernels, self._group, self._stream, self._out = kernels, group, stream, out
        self._timeout_ns = int(gpu.wait_s * 1e9)
        page = group.page
        self._words = [page_address + page.wave_address(rank) - page.address for rank in range(group.size)]
        self._base = 0

    def wrap(self, calls: list[Call], barrier: Ints) -> list[Call]:
        """Return the calls, each with the meeting that its barrier asks for.

        Raises:
            RankFault: The ranks are on several hosts.
        """
        numbers = barrier.tolist()
        if all(number == NO_BARRIER for number in numbers):
            return calls
        if not self._group.one_host:
            raise self._group.place.fault("strategy.barrier=group runs on one host only")
        before = [NO_BARRIER, *numbers[:-1]]
        meets = [number > max(earlier, 0) for number, earlier in zip(numbers, before, strict=True)]
        last = len(calls) - 1
        return [
            self._with_meeting(call, numbers[place] if meets[place] else None, first=place == 0, last=place == last)
            for place, call in enumerate(calls)
        ]

    def _with_meeting(self, call: Call, number: int | None, *, first: bool, last: bool) -> Call:
        def run() -> None:
            if first:
                self._base += _NUMBERS_A_RUN
            if number is not None:
                self._signal(self._base + number)
                stride, value = self._group.page.wave_stride, self._base + number
                count, out = self._group.size, self._out
                self._kernels.gate(self._words[0], count, stride, value, self._timeout_ns, out, self._stream)
            call()
            if last:
                self._signal(self._base + _NUMBERS_A_RUN - 1)

        return run

    def _signal(self, value: int) -> None:
        self._kernels.signal(self._words[self._group.seat.local_rank], value, self._stream)
