"""Summarize a measurement: the content of `summary.json`, with the keys of a prediction if they mean the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dwdp_hw.job.measurement import Measurement
from dwdp_hw.job.step_predictions import MEASURED, StepPredictions
from dwdp_hw.rows.schema import MeasuredRow
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.job.job import LayerJob
from dwdp_sim.results.summary import Latency
from dwdp_sim.results.summary_head import LayerHead, layer_head


@dataclass(frozen=True)
class MeasuredRank:
    """A rank's latency over the timed runs, in seconds.

    Attributes:
        rank: Which.
        prefetch_latency_s: The median.
        min_s, max_s: Shortest and longest.
        host_s: Time that the host took to issue; None if it was not measured.
        over_nvlink: Whether the bytes went over NVLink, in words.
        verified_runs: Runs of which every byte was compared.
        predicted_s: What the simulator says; None if it cannot.
    """

    rank: int
    prefetch_latency_s: float
    min_s: float
    max_s: float
    host_s: float | None
    over_nvlink: str
    verified_runs: int
    predicted_s: float | None

    @property
    def error(self) -> float | None:
        """The prediction's relative error; None without one."""
        return None if self.predicted_s is None else self.predicted_s / self.prefetch_latency_s - 1

    def to_dict(self) -> dict[str, Any]:
        """An entry of `ranks`."""
        found = asdict(self)
        if self.predicted_s is None:
            del found["predicted_s"]
            return found
        return found | {"error": self.error}


@dataclass(frozen=True)
class MeasurementSummary:
    """A measured layer's prefetch.

    Attributes:
        head: What was run.
        mapping: How peer memory was mapped.
        prefetch_latency_s: Over the medians of the ranks; None if nothing was timed.
        ranks: Each rank's.
        steps: What the simulator says of a pipeline's step; None of anything else, and where it cannot.
        no_prediction: Why there is no prediction; None if there is one.
        row: The row that the measurement wrote, for what is said in its words.
    """

    head: LayerHead
    mapping: str
    prefetch_latency_s: Latency | None
    ranks: list[MeasuredRank]
    steps: StepPredictions | None
    no_prediction: str | None
    row: MeasuredRow

    def to_dict(self) -> dict[str, Any]:
        """The content of `summary.json`; docs/results.md and docs/hardware.md describe the keys."""
        head = asdict(self.head)
        return {
            "schema": head.pop("schema"),
            "measured": True,
            **head,
            "mapping": self.mapping,
            "path": self.row["path"],
            "prefetch_latency_s": asdict(self.prefetch_latency_s) if self.prefetch_latency_s else None,
            "ranks": [rank.to_dict() for rank in self.ranks],
            "step_predictions": asdict(self.steps) if self.steps else None,
            "no_prediction": self.no_prediction,
            "start_skew_us": self.row["start_skew_us"],
            "stable": self.row["stable"],
            "unstable_reason": self.row["unstable_reason"],
            "cupti": self.row.get("cupti"),
            "layer_us": self.row.get("layer_us"),
            "issue_cost_us_a_slice": self.row.get("issue_cost_us_a_slice"),
        }


def summarize_measurement(measurement: Measurement, row: MeasuredRow) -> MeasurementSummary:
    """Summarize what was measured, beside what was predicted.

    Args:
        measurement: What was run.
        row: What `measured_row` made of the ranks' results.
    """
    case = measurement.case
    medians_s = [spread["median"] / 1e6 for spread in row["device_us"]]
    simulator = measurement.simulator
    steps = None if simulator is None else simulator.predict(case, row, measurement.group_size)
    predicted_s = _predicted_s(measurement.job) if steps is None else steps.step_s.get(MEASURED)
    ranks = [
        MeasuredRank(
            rank=rank,
            prefetch_latency_s=medians_s[index],
            min_s=row["device_us"][index]["min"] / 1e6,
            max_s=row["device_us"][index]["max"] / 1e6,
            host_s=row["host_us"][index] / 1e6 if row["host_us"] else None,
            over_nvlink=row["over_nvlink"][index],
            verified_runs=row["verified_runs"][index],
            predicted_s=None if predicted_s is None else predicted_s[index],
        )
        for index, rank in enumerate(case.ranks if medians_s else ())
    ]
    head = layer_head(
        measurement.layer,
        config_hash=measurement.config_hash,
        cluster=measurement.config["cluster"]["name"],
        issue_mode=case.issue_mode,
        home=case.home,
    )
    latency = Latency.of(np.array(medians_s)) if medians_s else None
    return MeasurementSummary(head, case.mapping, latency, ranks, steps, measurement.no_prediction, row)


def _predicted_s(job: LayerJob | None) -> list[float] | None:
    """Each rank's latency as the simulator has it, in seconds."""
    if job is None:
        return None
    return [float(s) for s in simulate(job.program, job.constants, job.options, seed=job.seed).stream_elapsed_s]
