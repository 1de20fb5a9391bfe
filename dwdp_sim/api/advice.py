"""Ask which copies to choose from Python."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dwdp_sim.advice import advice as questions
from dwdp_sim.advice.advice_json import advice_content
from dwdp_sim.advice.findings import Effort, Part
from dwdp_sim.advice.print_advice import print_advice
from dwdp_sim.advice.provenance import evidence
from dwdp_sim.advice.trial import Baseline
from dwdp_sim.advice.turns import what_would_change
from dwdp_sim.advice.verdict import not_looked_at, verdict
from dwdp_sim.api.shown import html_of
from dwdp_sim.api.steps import steps_job, workload_of
from dwdp_sim.base.cores import usable_cores
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.terminal import TextConsole
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.engine_choice import takes_many_compiled
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.workers import workers
from dwdp_sim.job.job import StepsJob
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.strategy import Strategy, StrategyKind
from dwdp_sim.steps.compute import ComputeConfig
from dwdp_sim.steps.requests import RequestLoad
from dwdp_sim.steps.workload import StepsWorkload

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Advice:
    """Which copies to choose, and how sure that is.

    Attributes:
        job: What the user runs.
        found: Everything that was compared.
    """

    job: StepsJob = field(repr=False)
    found: questions.Advice = field(repr=False)

    @property
    def sentences(self) -> list[str]:
        """What to choose today and, where it is worth it, what a change of the engine would give."""
        return verdict(self.found.findings, self.found.own)

    @property
    def would_change(self) -> str:
        """What would change the answer, in one sentence."""
        return what_would_change(self.found, hides_host=self.job.issue_mode == "queued")

    @property
    def missing(self) -> list[Part]:
        """What has not been looked at, where time was up before; nothing if the answer is complete."""
        return self.found.missing

    @property
    def today(self) -> Strategy:
        """The best that the engine's users can choose today."""
        return self.found.findings.today.candidate.strategy

    @property
    def best(self) -> Strategy:
        """The best of all that were compared."""
        return self.found.findings.best.candidate.strategy

    def table(self) -> pd.DataFrame:
        """One row a candidate: its step in seconds, its gain over what the user has, and that gain's range."""
        import pandas as pd  # noqa: PLC0415  # a third of a second that an advice alone need not wait

        rows = [
            {
                "candidate": row.candidate.label,
                "step_s": row.iteration.mean,
                "gain": row.gain.mean,
                "half_width": row.gain.half_width,
                "lowest_gain": row.gain_range[0],
                "highest_gain": row.gain_range[1],
                "engine_must_change": ", ".join(row.changes) or "nothing",
            }
            for row in self.found.findings.rows
        ]
        return pd.DataFrame(rows).set_index("candidate")

    def to_dict(self) -> dict[str, Any]:
        """The content of `advice.json` (docs/advice.md)."""
        return advice_content(self.job, "", self.found, self._evidence())

    def _evidence(self) -> dict[str, list[str]]:
        return evidence(Baseline.of(self.job), questions.current_candidate(self.job))

    def __str__(self) -> str:
        text = io.StringIO()
        print_advice(TextConsole(file=text, width=120), self.job, self.found, self._evidence(), [])
        return text.getvalue()

    def plot(self) -> Figure:
        """What each candidate gains, as configured, and its range over what is unmeasured."""
        from dwdp_sim.advice.gains_figure import gains_figure  # noqa: PLC0415  # Matplotlib takes half a second

        return gains_figure(self.found.findings.rows)

    def _repr_html_(self) -> str:
        table = self.table()
        gains = dict.fromkeys(("gain", "lowest_gain", "highest_gain"), "{:+.1%}") | {"half_width": "± {:.1%}"}
        in_percent = table.assign(**{name: table[name].map(text.format) for name, text in gains.items()})
        unseen = [not_looked_at(self.missing)] if self.missing else []
        sentences = " ".join(filter(None, (*self.sentences, self.would_change, *unseen)))
        return html_of(sentences, in_percent, self.plot())


def advise(
    *,
    model: str | Path | MoEModel = "deepseek_r1_nvfp4",
    cluster: str | Path | Cluster = "gb200_nvl72",
    strategy: str | Path | Strategy | StrategyKind = "default",
    dwdp_size: int = 4,
    placement: Placement | None = None,
    compute: str | Path | ComputeConfig = "auto",
    load: RequestLoad | None = None,
    workload: StepsWorkload | None = None,
    options: FabricOptions | None = None,
    also: tuple[StrategyKind, ...] = (),
    effort: Effort | None = None,
    seed: int = 0,
    processes: int | None = 1,
    within_s: float | None = None,
    on_answer: Callable[[Advice], object] = lambda answer: None,
) -> Advice:
    """Compare default and batched copies, slice sizes and changed engines for what you run.

    It takes seconds to minutes. The first answer is there after a fraction of a second and then narrows; each says what
    it has not looked at.

    Args:
        model, cluster, strategy, dwdp_size, placement, compute, load, workload, options: What you run, as of
            `predict_steps`.
        also: Strategies of your own to compare.
        effort: How much is simulated.
        seed: The first seed.
        processes: Threads to use; None: one a core. Where there is only SimPy they are processes, and a script protects
            its start by `if __name__ == "__main__"`.
        within_s: Seconds after which it returns what is known by then, at least the first answer; None for everything.
        on_answer: Called with each answer on the way and with the last, as `print` or a notebook's `display`.

    Raises:
        ConfigError: Something in it cannot be used; the message names it and what is allowed.
    """
    ends_at = math.inf if within_s is None else time.monotonic() + within_s
    job = steps_job(
        model=model,
        cluster=cluster,
        strategy=strategy,
        dwdp_size=dwdp_size,
        placement=placement,
        workload=workload or workload_of(compute, load),
        options=options,
        issue_mode="queued",
        seed=seed,
    )
    if job.cluster.home != "peer":
        raise ConfigError("cluster", job.cluster.name, "advice is about copies from peers")
    effort = effort or Effort(seeds=tuple(range(seed, seed + 5)))
    if len(effort.seeds) < 2:
        raise ConfigError("effort.seeds", effort.seeds, "an interval takes at least 2")
    threads = takes_many_compiled(job.scenario.engine)
    with workers(processes or usable_cores(), threads=threads) as pool:
        for found in questions.answers(job, effort, also, pool, ends_at=ends_at):
            answer = Advice(job, found)
            on_answer(answer)
    return answer
