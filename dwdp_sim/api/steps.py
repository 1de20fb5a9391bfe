"""Predict whole forward steps from Python."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dwdp_sim.api.presets import load_cluster, load_compute, load_model, load_strategy
from dwdp_sim.api.shown import html_of
from dwdp_sim.base.estimate import Estimate, paired_gain
from dwdp_sim.base.units import format_seconds
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.compute_on_machine import on_machine
from dwdp_sim.job.job import StepsJob
from dwdp_sim.job.make import make_steps_job
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.strategy import Strategy, StrategyKind
from dwdp_sim.results.predict_steps import predict_iteration, summary_of_steps
from dwdp_sim.results.step_summary import IterationResult, StepsSummary
from dwdp_sim.steps.compute import ComputeConfig
from dwdp_sim.steps.requests import RequestLoad
from dwdp_sim.steps.scenario import FIGURES
from dwdp_sim.steps.workload import StepsWorkload

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class StepsPrediction:
    """How long a forward step takes, and where its time goes.

    Attributes:
        job: What was simulated.
        result: Every replication, the first seed's bubbles, and DEP's times.
        summary: Everything that was found; `summary.to_dict()` is the content of `summary.json`.
    """

    job: StepsJob = field(repr=False)
    result: IterationResult = field(repr=False)
    summary: StepsSummary = field(repr=False)

    @property
    def step_s(self) -> Estimate:
        """Seconds of a forward step, with the 95 % interval over seeds."""
        return self.summary.figures["iteration_s"]

    @property
    def bubble_s(self) -> Estimate:
        """Seconds of a forward step in which compute waits for experts."""
        return self.summary.figures["bubble_s"]

    @property
    def tokens_per_s(self) -> Estimate:
        """New tokens a second and GPU."""
        return self.summary.figures["tokens_per_s"]

    @property
    def range_s(self) -> tuple[float, float] | None:
        """Lowest and highest time of a step over the hypotheses, in seconds; None if no range was asked for."""
        found = self.summary.range_s
        return None if found is None else found.iteration_s

    def gain_over(self, other: StepsPrediction) -> Estimate:
        """How much less time a step takes than `other`'s, as a share, seed by seed."""
        own, others = ([run.figures["iteration_s"] for run in each.result.replications] for each in (self, other))
        return paired_gain(own, others)

    @property
    def assumed(self) -> list[str]:
        """Names of the constants that the prediction uses and nobody has measured or published."""
        return self.summary.assumed_constants

    def table(self) -> pd.DataFrame:
        """One row a figure: its mean over seeds, half its 95 % interval, and what it is."""
        import pandas as pd  # noqa: PLC0415  # a third of a second that a prediction alone need not wait

        rows = [(name, e.mean, e.half_width, FIGURES[name]) for name, e in self.summary.figures.items()]
        return pd.DataFrame(rows, columns=["figure", "mean", "half_width", "meaning"]).set_index("figure")

    def plot(self) -> Figure:
        """A forward step of the group, and what happened around its longest bubble."""
        from dwdp_sim.results.step_figure import steps_figure  # noqa: PLC0415  # Matplotlib takes half a second
        from dwdp_sim.results.titles import layer_title  # noqa: PLC0415

        title = layer_title(self.job.layer, self.job.cluster.name, self.job.issue_mode)
        found = self.result
        return steps_figure(found.replications[0].timeline, found.contention, found.links, title)

    def __str__(self) -> str:
        found = f"forward step {format_seconds(self.step_s.mean)}, bubbles {format_seconds(self.bubble_s.mean)}"
        if self.range_s is not None:
            low_s, high_s = map(format_seconds, self.range_s)
            found += f", {low_s} to {high_s} over hypotheses"
        return found

    def _repr_html_(self) -> str:
        return html_of(str(self), self.table(), self.plot())


def predict_steps(
    *,
    model: str | Path | MoEModel = "deepseek_r1_nvfp4",
    cluster: str | Path | Cluster = "gb200_nvl72",
    strategy: str | Path | Strategy | StrategyKind = "batched",
    dwdp_size: int = 4,
    placement: Placement | None = None,
    compute: str | Path | ComputeConfig = "auto",
    load: RequestLoad | None = None,
    workload: StepsWorkload | None = None,
    options: FabricOptions | None = None,
    issue_mode: str = "queued",
    seed: int = 0,
    replications: int = 3,
    with_range: bool = True,
    processes: int | None = 1,
) -> StepsPrediction:
    """Predict whole forward steps under DWDP: how long they take, and where their time goes.

    Args:
        model: Whose layers are computed: a preset's name, a file (`load_model`), or an object.
        cluster: The machine: a preset's name, a file, or an object.
        strategy: How layers are pulled: a preset's name, a file (`load_strategy`), or an object.
        dwdp_size: Ranks of the group.
        placement: Which rank holds which experts; evenly, without overlap, if unset. Overrides `dwdp_size`.
        compute: How long layers compute: a preset's name, a file, or an object; `auto` is measured kernels, or
            a roofline where there are none.
        load: Which requests arrive; inputs of 8,192 tokens, at most 16,384 tokens a step if unset.
        workload: Steps, slots and the host, with a `compute` and a `load` of its own, instead of these two.
        options: Alternatives of the contention model.
        issue_mode: `queued` (the host's time is hidden) or `as_issued`.
        seed: The first seed.
        replications: Seeds.
        with_range: Whether the range over everything unmeasured is wanted; it takes most of the time.
        processes: Threads to use; None: one a core. Where SimPy runs the steps they are processes, and a script
            protects its start by `if __name__ == "__main__"`.

    Raises:
        ConfigError: Something in it cannot be used; the message names it and what is allowed.
    """
    job = steps_job(
        model=model,
        cluster=cluster,
        strategy=strategy,
        dwdp_size=dwdp_size,
        placement=placement,
        workload=workload or workload_of(compute, load),
        options=options,
        issue_mode=issue_mode,
        seed=seed,
    )
    result = predict_iteration(job, replications=replications, with_range=with_range, processes=processes)
    return StepsPrediction(job, result, summary_of_steps(job, result, ""))


def workload_of(compute: str | Path | ComputeConfig, load: RequestLoad | None) -> StepsWorkload:
    """Forward steps with these compute windows and requests, everything else as by default."""
    return StepsWorkload(compute=load_compute(compute), load=load or RequestLoad())


def steps_job(
    *,
    model: str | Path | MoEModel,
    cluster: str | Path | Cluster,
    strategy: str | Path | Strategy | StrategyKind,
    dwdp_size: int,
    placement: Placement | None,
    workload: StepsWorkload,
    options: FabricOptions | None,
    issue_mode: str,
    seed: int,
) -> StepsJob:
    """Forward steps from names, files or objects. Arguments as of `predict_steps`."""
    shape, machine, chosen = load_model(model), load_cluster(cluster), load_strategy(strategy)
    placed = placement or Placement.create(shape.num_experts, dwdp_size)
    compute = on_machine(workload.compute, shape, placed.dwdp_size, machine.gpu, chosen.implementation)
    return make_steps_job(
        shape,
        placed,
        chosen,
        machine,
        replace(workload, compute=compute),
        options,
        issue_mode=issue_mode,
        seed=seed,
    )
