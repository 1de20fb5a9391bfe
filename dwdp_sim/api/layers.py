"""Predict one layer's prefetch, or any copy program, from Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dwdp_sim.api.presets import load_cluster, load_model, load_strategy
from dwdp_sim.api.shown import html_of
from dwdp_sim.base.arrays import Floats
from dwdp_sim.base.units import format_seconds
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.timeline import SimulatedTimeline
from dwdp_sim.job.job import LayerJob, ReplayJob
from dwdp_sim.job.make import make_layer_job, make_replay_job
from dwdp_sim.job.start_times import Starts
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.program import Program
from dwdp_sim.plan.program_file import read_program
from dwdp_sim.plan.strategy import Strategy, StrategyKind
from dwdp_sim.results import predict as of_job
from dwdp_sim.results.summary import LayerSummary, ReplaySummary

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PARTS = ("host_s", "gap_s", "transfer_s", "contention_s")


@dataclass(frozen=True)
class Prediction:
    """How long one layer's prefetch takes, or each stream of a copy program.

    Attributes:
        job: What was simulated.
        summary: Everything that was found; `summary.to_dict()` is the content of `summary.json`.
        timeline: The draw of the starts whose mean latency is the median of all.
    """

    job: LayerJob | ReplayJob = field(repr=False)
    summary: LayerSummary | ReplaySummary = field(repr=False)
    timeline: SimulatedTimeline = field(repr=False)

    @property
    def latency_s(self) -> float:
        """Mean over draws and ranks, in seconds; of a copy program, over its streams."""
        found = self.summary
        return found.prefetch_latency_s.mean if isinstance(found, LayerSummary) else found.mean_s

    @property
    def range_s(self) -> tuple[float, float] | None:
        """Lowest and highest mean latency over the hypotheses, in seconds; None if no range was asked for."""
        found = self.summary.range_s
        return None if found is None else found.mean

    @property
    def bound_s(self) -> float:
        """The busiest link's bytes over its best rate, in seconds: no schedule is faster."""
        return self.summary.basis.lower_bound_s

    @property
    def breakdown(self) -> dict[str, float]:
        """Mean seconds of a latency in which the host issued, gaps passed, bytes moved, or others used the link."""
        found = self.table() if isinstance(self.summary, LayerSummary) else vars(self.timeline)
        return {part: float(found[part].mean()) for part in PARTS}

    @property
    def assumed(self) -> list[str]:
        """Names of the constants that the prediction uses and nobody has measured or published."""
        return self.summary.basis.assumed_constants

    def table(self) -> pd.DataFrame:
        """One row a rank, or a stream of a copy program: its latency in seconds and, of a rank, the parts of it."""
        import pandas as pd  # noqa: PLC0415  # a third of a second that a prediction alone need not wait

        if isinstance(self.summary, LayerSummary):
            ranks = pd.DataFrame(self.summary.ranks)
            return ranks.rename(columns={"prefetch_latency_s": "latency_s"}).set_index("rank")
        streams = pd.DataFrame(self.summary.streams).rename(columns={"elapsed_s": "latency_s"})
        return streams.rename_axis("stream")

    def hypotheses(self) -> pd.DataFrame:
        """One row a machine that hypotheses allow, what is configured first: name, and mean latency in seconds."""
        import pandas as pd  # noqa: PLC0415  # as in `table`

        under = [] if self.summary.range_s is None else self.summary.range_s.under
        rows = [("; or ".join(machine.hypotheses), machine.mean_s) for machine in under]
        return pd.DataFrame(rows, columns=["hypothesis", "latency_s"]).set_index("hypothesis")

    def rates(self, edges_s: Floats) -> pd.DataFrame:
        """Bytes a second from each GPU to each other in `timeline`, one row an interval between these times.

        Args:
            edges_s: Rising times in seconds, shape (intervals + 1,).

        Returns:
            Columns are (source, reader), rows the intervals' first seconds.
        """
        import pandas as pd  # noqa: PLC0415  # as in `table`

        from dwdp_sim.results.rate_over_time import rate_over_time  # noqa: PLC0415

        src, dst = self.job.program.copy_src, self.job.program.copy_dst
        columns = {
            (source, reader): rate_over_time(
                self.timeline, (src == source) & (dst == reader), edges_s, self.timeline.links
            )
            for source, reader in sorted(set(zip(src.tolist(), dst.tolist(), strict=True)))
        }
        return pd.DataFrame(columns, index=edges_s[:-1]).rename_axis(index="start_s", columns=["source", "reader"])

    def plot(self) -> Figure:
        """One lane a rank, coloured by the peer that it pulls from, and below what leaves every source."""
        from dwdp_sim.results.figure import timeline_figure  # noqa: PLC0415  # Matplotlib takes half a second
        from dwdp_sim.results.job_files import job_picture  # noqa: PLC0415

        return timeline_figure(self.timeline, job_picture(self.job), self.timeline.links)

    def __str__(self) -> str:
        found = f"prefetch latency {format_seconds(self.latency_s)}, lower bound {format_seconds(self.bound_s)}"
        if self.range_s is not None:
            low_s, high_s = map(format_seconds, self.range_s)
            found += f", {low_s} to {high_s} over hypotheses"
        return found

    def _repr_html_(self) -> str:
        return html_of(str(self), self.table(), self.plot())


def predict(
    *,
    model: str | Path | MoEModel = "deepseek_r1_nvfp4",
    cluster: str | Path | Cluster = "gb200_nvl72",
    strategy: str | Path | Strategy | StrategyKind = "batched",
    dwdp_size: int = 4,
    placement: Placement | None = None,
    options: FabricOptions | None = None,
    issue_mode: str = "queued",
    starts: Starts | None = None,
    seed: int = 0,
    with_range: bool = True,
) -> Prediction:
    """Predict how long the prefetch of one MoE layer takes, and where the time goes.

    Args:
        model: Whose experts are pulled: a preset's name, a file (`load_model`), or an object.
        cluster: The machine: a preset's name, a file, or an object.
        strategy: In which order and how they are pulled: a preset's name, a file (`load_strategy`), or an object.
        dwdp_size: Ranks of the group.
        placement: Which rank holds which experts; evenly, without overlap, if unset. Overrides `dwdp_size`.
        options: Alternatives of the contention model.
        issue_mode: `queued` (all calls lie ready when the clock starts) or `as_issued`.
        starts: When the ranks start; at random within the measured 1.6 µs if unset.
        seed: Seed of everything random.
        with_range: Whether the range over everything unmeasured is wanted; it takes most of the time.

    Raises:
        ConfigError: Something in it cannot be used; the message names it and what is allowed.
    """
    shape = load_model(model)
    job = make_layer_job(
        shape,
        placement or Placement.create(shape.num_experts, dwdp_size),
        load_strategy(strategy),
        load_cluster(cluster),
        options,
        issue_mode=issue_mode,
        starts=starts,
        seed=seed,
    )
    timeline, summary = of_job.predict(job, with_range=with_range)
    return Prediction(job, summary, timeline)


def replay(
    program: str | Path | Program,
    *,
    cluster: str | Path | Cluster = "gb200_nvl72",
    options: FabricOptions | None = None,
    starts: Starts | None = None,
    seed: int = 0,
    with_range: bool = True,
) -> Prediction:
    """Predict how long each stream of any copy program takes.

    Args:
        program: A file (docs/replay.md has the format) or an object.
        cluster: The machine: a preset's name, a file, or an object.
        options: Alternatives of the contention model.
        starts: How much later than the program says its streams start; not at all if unset.
        seed: Seed of everything random.
        with_range: Whether the range over everything unmeasured is wanted.

    Raises:
        ConfigError: Something in it cannot be used; the message names it and what is allowed.
    """
    machine = load_cluster(cluster)
    streams = program if isinstance(program, Program) else read_program(str(program), machine.num_gpus)
    job = make_replay_job(streams, machine, options, starts=starts, seed=seed)
    timeline, summary = of_job.predict(job, with_range=with_range)
    return Prediction(job, summary, timeline)
