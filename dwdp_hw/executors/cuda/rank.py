"""A rank on its GPU: buffers, the runs of a layer behind a gate or as issued, and the check of every byte."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np

from dwdp_hw.cases.case import QUEUE_LIMIT_CALLS, Case, Settings
from dwdp_hw.cases.result import Detail, LayerTimes, Reading, RelativeCost, Sample, Witness
from dwdp_hw.executors.cuda.buffers import Buffers
from dwdp_hw.executors.cuda.clock import read_offset
from dwdp_hw.executors.cuda.cupti import Recorder
from dwdp_hw.executors.cuda.gpu import Gpu, count_gpus
from dwdp_hw.executors.cuda.issue import ISSUES, batch_path, prepare_calls
from dwdp_hw.executors.cuda.kernels import Kernels
from dwdp_hw.executors.cuda.nvml import Telemetry
from dwdp_hw.executors.cuda.pinned import PinnedWords
from dwdp_hw.executors.cuda.pipeline import PipelineRun
from dwdp_hw.executors.cuda.slice_watch import SliceWatch
from dwdp_hw.executors.cuda.timed_run import TimedStream
from dwdp_hw.executors.layout import RankCopies, rank_copies
from dwdp_hw.executors.yardstick import relative_cost
from dwdp_hw.group.group import Group
from dwdp_sim.plan.copy_plan import BATCH

_MOST_WATCHED = 200_000  # threads that fit a Hopper GPU at once, with room to spare


class CudaRank:
    """One process, one GPU."""

    def __init__(self, group: Group, settings: Settings) -> None:
        self._group, self._settings = group, settings
        ordinal = self._choose_gpu()
        self._gpu = Gpu(ordinal, group.place, settings.wait_s)
        self._refuse_shared_gpu()
        self._kernels = Kernels(self._gpu)
        self._stream, self._side = self._gpu.stream(), self._gpu.stream()
        self._pinned = PinnedWords(self._gpu)
        self._telemetry = Telemetry(self._gpu.bus_id)
        self._timed = TimedStream(self._gpu, self._kernels, group, settings, self._stream, self._pinned)
        self._buffers: Buffers | None = None
        self._pipeline: PipelineRun | None = None
        self.device = self._gpu.name
        self.machine = self._describe()

    def _choose_gpu(self) -> int:
        """The GPU of this rank: its local number, or the only one where each rank sees one."""
        count, local = count_gpus(), self._group.seat.local_rank
        self._sees_one = count == 1 and self._group.seat.local_size > 1
        if self._sees_one:
            return 0
        if local >= count:
            raise self._group.place.fault(
                f"this host has {count} GPUs and {self._group.seat.local_size} ranks; two processes on one GPU take "
                "turns, so nothing could be learned from them"
            )
        return local

    def _refuse_shared_gpu(self) -> None:
        name = f"{self._group.place.host} {self._gpu.bus_id}".encode()
        names = self._group.all_gather("gpu", name)
        if names.count(name) > 1:
            raise self._group.place.fault(
                f"ranks {[r for r, n in enumerate(names) if n == name]} have the same GPU {self._gpu.bus_id}; two "
                "processes on one GPU take turns, so nothing could be learned from them"
            )

    def _describe(self) -> dict[str, Any]:
        versions = self._gpu.versions
        return {
            "gpu": self.device,
            "gpus": self._group.size,
            "driver": self._telemetry.driver_version(),
            "cuda_driver": versions.driver,
            "cuda_runtime": versions.runtime,
            "cuda_bindings": versions.bindings,
            "async_engines": self._gpu.device.properties.async_engine_count,
            "visible_gpus": "one per rank" if self._sees_one else "all",
            "nvml_missing": self._telemetry.missing,
            "python": platform.python_version(),
        }

    def prepare(self, case: Case) -> None:
        """Allocate, map, fill; buffers of the case before are kept where they fit."""
        place, rank = self._group.place, self._group.rank
        self._case = case
        self._close_pipeline()
        if self._buffers is None or not self._buffers.fit(case):
            if self._buffers is not None:
                self._buffers.close()
            self._buffers = Buffers(self._gpu, self._kernels, self._group, case, self._stream)
        self._buffers.use(case)
        place.at("building the calls")
        self._copies = [rank_copies(case.plan, self._buffers.layout, rank, layer) for layer in range(case.layers)]
        self._calls = [self._prepare_calls(copies, case.issue) for copies in self._copies]
        self._issue_ways = {way: self._prepare_calls(self._copies[0], way) for way in ISSUES if self._counts_issue()}
        self._clock = read_offset(self._gpu, self._kernels, self._pinned, self._stream)
        if case.pipeline is not None:
            self._pipeline = PipelineRun(
                self._gpu,
                self._kernels,
                self._timed,
                self._buffers,
                self._calls,
                case,
                rank,
            )
        self._gpu.finish(self._stream, "preparing the case")

    def _counts_issue(self) -> bool:
        return self._case.measure == "issue_cost"

    def _prepare_calls(self, copies: RankCopies, issue: str) -> list[Any]:
        buffers = self._ready_buffers
        return self._timed.with_barriers(
            prepare_calls(self._gpu, copies, buffers.bases, buffers.slots, self._stream, issue), copies.call_barrier
        )

    @property
    def _ready_buffers(self) -> Buffers:
        """The buffers of this case."""
        assert self._buffers is not None  # `prepare` comes first
        return self._buffers

    def poison(self, layer: int) -> None:
        """Make every byte of the slot wrong, and wait."""
        self._ready_buffers.poison(layer, self._stream)

    def run(self, layer: int) -> Sample:
        """One run, timed by events on the device."""
        if self._settings.hang_rank == self._group.rank:
            self._timed.hang()
        later_s = self._case.later_s(self._group.rank)
        return self._timed.run(self._calls[layer], self._case.issue_mode, self._clock, later_s)

    def serve(self) -> None:
        """Take part in another rank's run without pulling."""
        self._timed.serve(self._case.issue_mode)

    def watch(self, layer: int) -> Detail:
        """One run whose slices are watched."""
        copies = self._copies[layer]
        if len(copies.dst) > _MOST_WATCHED:
            copies_seen = np.zeros(0, np.uint64)
        else:
            copies_seen = np.uint64(self._ready_buffers.slots) + (copies.dst + copies.size - 1).astype(np.uint64)
        watch = SliceWatch(self._gpu, self._kernels, self._pinned, self._side, copies_seen)
        later_s = self._case.later_s(self._group.rank)
        return self._timed.watched_run(self._calls[layer], self._case.issue_mode, watch, later_s)

    def witness(self, layer: int) -> Witness:
        """One run recorded by CUPTI; where that does not work, a run all the same: the other ranks count on it."""
        self._group.place.at("starting the profiler")
        try:
            recorder = Recorder(self._gpu.ordinal, self._group.seat.folder)
            recorder.start()
        except Exception as error:  # a measurement without CUPTI's record is still valid
            self.run(layer)
            return Witness([], "", f"{type(error).__name__}: {error}")
        self.run(layer)
        self._group.place.at("reading the profiler")
        return recorder.stop()

    def first_wrong(self, layer: int) -> str | None:
        """Compare every byte of the slot and the guards on the GPU."""
        wrong = self._kernels.compare(self._ready_buffers.checked(layer), self._stream)
        return None if wrong is None else self._ready_buffers.name_of_wrong(layer, *wrong)

    def pipeline(self, verify: bool) -> list[LayerTimes]:
        """One forward step."""
        assert self._pipeline is not None  # `prepare` comes first
        return self._pipeline.run(verify)

    def issue_cost(self) -> dict[str, float]:
        """Host seconds a slice for each way, one after the other."""
        copies, mode = self._copies[0], self._case.issue_mode
        timed = copies.call_first[min(QUEUE_LIMIT_CALLS, len(copies.call_issue))]
        return {way: self._timed.host_time_s(calls, mode) / int(timed) for way, calls in self._issue_ways.items()}

    def relative_cost(self) -> RelativeCost:
        """Issue the copies on an idle stream, over and over, with the yardstick before each."""
        self._group.place.at("issuing copies beside the yardstick")
        calls = self._calls[0]
        copies = int(self._copies[0].call_first[-1])
        return relative_cost(lambda: self._timed.host_time_s(calls, "as_issued"), copies, self._case.lasting_s)

    def path(self) -> str:
        """The driver entry of this case's copies."""
        batched = BATCH in self._copies[0].call_issue
        return batch_path(self._case.issue) if batched else "cudaMemcpyAsync"

    def clock_uncertainty_s(self) -> float:
        """Half of the quickest question and answer."""
        return self._clock.uncertainty_ns / 1e9

    def telemetry(self) -> Reading:
        """NVML now."""
        return self._telemetry.read()

    def close(self) -> None:
        """Free and unmap everything."""
        self._close_pipeline()
        if self._buffers is not None:
            self._buffers.close()
        self._timed.close()
        self._pinned.free()
        self._kernels.close()

    def _close_pipeline(self) -> None:
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None
