"""The functions behind `import dwdp_hw`: measure a plan, read rows and traces, predict, calibrate and validate."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dwdp_hw.calibration import calibrate as fitting
from dwdp_hw.calibration.calibrate import Calibration, fitted_rows
from dwdp_hw.cases.case import Case, Labels, Settings
from dwdp_hw.cases.result import RankResult
from dwdp_hw.job.measured_timeline import measured_timeline
from dwdp_hw.rows import predict as of_rows
from dwdp_hw.rows.recording import Recording, read_recording
from dwdp_hw.rows.row import RecordedRow
from dwdp_hw.rows.schema import MeasuredRow
from dwdp_hw.rows.write import measured_row
from dwdp_hw.run.launch import run_group
from dwdp_hw.run.worker import Work
from dwdp_hw.traces import importing
from dwdp_hw.traces.bursts import Burst, find_bursts
from dwdp_hw.validation import validate as comparing
from dwdp_hw.validation.bars import Bars
from dwdp_hw.validation.validate import Validation
from dwdp_sim.api.presets import load_cluster
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.timeline import Timeline
from dwdp_sim.plan.copy_plan import CopyPlan

if TYPE_CHECKING:
    import pandas as pd

Rows = str | Path | Recording


@dataclass(frozen=True)
class Measured:
    """What a plan took on this machine; every byte of every run was compared.

    Attributes:
        case: What was run.
        results: What each rank found.
        row: The same as a row of a measurement file.
    """

    case: Case = field(repr=False)
    results: Sequence[RankResult] = field(repr=False)
    row: MeasuredRow = field(repr=False)

    @property
    def latency_s(self) -> dict[int, float]:
        """Median seconds of each rank that pulled, from the start to its last byte."""
        table = self.table()
        return dict(zip(table.index, table["median_s"], strict=True))

    @property
    def timeline(self) -> Timeline:
        """When each copy arrived in the one run that was watched (`detail=True`), for the simulator's tables."""
        return measured_timeline(self.case, self.results)

    def table(self) -> pd.DataFrame:
        """One row a rank that pulled: median, shortest and longest run in seconds, and the host's time."""
        import pandas as pd  # noqa: PLC0415  # only who asks for a table waits for it

        rows = [
            {
                "rank": result.rank,
                "median_s": statistics.median([sample.elapsed_s for sample in result.samples]),
                "min_s": min(sample.elapsed_s for sample in result.samples),
                "max_s": max(sample.elapsed_s for sample in result.samples),
                "host_s": statistics.median([sample.host_s for sample in result.samples]),
            }
            for result in self.results
            if result.samples
        ]
        return pd.DataFrame(rows).set_index("rank")


def measure(
    plan: CopyPlan,
    *,
    executor: str = "cuda",
    issue_mode: str = "queued",
    mapping: str = "ipc",
    home: str = "peer",
    warmups: int = 2,
    repeats: int = 7,
    detail: bool = False,
    settings: Settings | None = None,
) -> Measured:
    """Run a plan, one process a rank, and check every byte.

    Scripts protect their start by `if __name__ == "__main__"`: the ranks are processes of their own.

    Args:
        plan: Every copy of one layer, such as `dwdp_sim.predict(…).job.layer.plan`.
        executor: `cuda`, or `host`: the same processes on host memory, without a GPU; its times mean nothing.
        issue_mode: `queued` or `as_issued`.
        mapping: How peer memory is mapped: `ipc`, `vmm_fd` or `vmm_fabric`.
        home: Where the peers' experts are: `peer`; or `host` or `local`, with one rank.
        warmups, repeats: Runs before and during the measurement.
        detail: Whether one more run watches when each copy arrives.
        settings: Deadlines and where the ranks meet.

    Raises:
        ConfigError: Something in it cannot be used.
        NoGpuError: It needs GPUs that this machine does not have.
        RankFault: A rank failed or hung; the message says which and where.
    """
    ranks = plan.placement.dwdp_size if home == "peer" else 1
    labels = Labels(model=None, strategy=None, implementation=None, slice_bytes=None)
    case = Case(
        "plan",
        plan,
        labels,
        issue_mode=issue_mode,
        mapping=mapping,
        home=home,
        ranks=tuple(range(ranks)),
        warmups=warmups,
        repeats=repeats,
        detail=detail,
    )
    found: list[RankResult] = []
    work = Work((case,), replace(settings or Settings(), executor=executor))
    run_group(work, ranks, lambda _, results: found.extend(results))
    return Measured(case, found, measured_row(case, found))


def read_rows(path: str | Path) -> Recording:
    """Read a file of measured rows, such as those in `measurements/`.

    Raises:
        ConfigError: It is not such a file.
    """
    return read_recording(str(path))


def predict_row(
    row: RecordedRow, cluster: str | Path | Cluster, *, options: FabricOptions | None = None
) -> of_rows.Prediction:
    """Predict what a row measured: seconds of each stream, with the range over what the row does not say.

    Args:
        row: One of `read_rows(…).rows`.
        cluster: Whose constants predict.
        options: Alternatives of the contention model.

    Raises:
        ConfigError: The cluster lacks a constant that the row needs.
    """
    return of_rows.predict(row, load_cluster(cluster), options or FabricOptions())


def read_trace(
    trace: str | Path | Sequence[str | Path], *, home: str = "peer", burst_gap_s: float = 200e-6
) -> list[Burst]:
    """Read the copies of a profiler's trace that move experts, burst by burst; one part for each stream.

    `program_content(bursts)` is a program that `dwdp_sim.replay` takes from a file.

    Args:
        trace: A torch.profiler JSON or an Nsight Systems SQLite export; or several, one a process.
        home: Where the experts come from: `peer`, `host` or `local`.
        burst_gap_s: A stream that is idle for longer begins a new burst.

    Raises:
        ConfigError: It is neither of them, or something in it is missing.
    """
    paths = [trace] if isinstance(trace, str | Path) else trace
    traces = [importing.read_trace(str(path), process) for process, path in enumerate(paths)]
    copies = [copy for each in traces for copy in each.copies]
    wanted = [copy for copy in copies if copy.kind == home and copy.gpu in (copy.src, copy.dst)]
    return find_bursts(wanted, burst_gap_s)


def calibrate(
    rows: Rows | Sequence[Rows],
    cluster: str | Path | Cluster,
    *,
    name: str = "calibrated",
    use: str = "design",
    options: FabricOptions | None = None,
) -> Calibration:
    """Fit a cluster's constants to measured rows; `.cluster` is the fitted one.

    Args:
        rows: Files or what `read_rows` gave, of one kind of machine.
        cluster: Structure, and values of what the rows do not determine.
        name: Of the new cluster.
        use: `design` takes the rows that identify constants and leaves the others for validation; `all` takes all.
        options: Alternatives of the contention model.

    Raises:
        ConfigError: The files do not belong together, or hold no row that could be used.
    """
    machine = load_cluster(cluster)
    return fitting.calibrate(_recordings(rows), machine, options or FabricOptions(), name=name, use=use)


def validate(
    rows: Rows | Sequence[Rows],
    cluster: str | Path | Cluster,
    *,
    bars: Bars | None = None,
    options: FabricOptions | None = None,
) -> Validation:
    """Predict measured rows and compare; rows that the constants were fitted on do not count.

    Args:
        rows: Files or what `read_rows` gave.
        cluster: Whose constants predict.
        bars: What must be reached.
        options: Alternatives of the contention model.

    Raises:
        ConfigError: A file is not one of rows, or the cluster lacks a constant.
    """
    recordings, machine = _recordings(rows), load_cluster(cluster)
    fitted = fitted_rows(recordings, machine)
    return comparing.validate(recordings, machine, options or FabricOptions(), fitted, bars or Bars())


def _recordings(rows: Rows | Sequence[Rows]) -> list[Recording]:
    every = [rows] if isinstance(rows, str | Path | Recording) else rows
    return [one if isinstance(one, Recording) else read_rows(one) for one in every]
